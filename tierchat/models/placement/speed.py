"""The expected speed of a model on this machine, in words.

Does not measure; it estimates from sizes and memory bandwidths.
"""

from __future__ import annotations

from tierchat.config.catalogue import ModelSpec
from tierchat.models.placement.hardware import Machine
from tierchat.models.placement.model_plan import ModelPlan

# Memory bandwidth in bytes per second, by words in the name of a device.
_BANDWIDTHS = (
    (("h200", "b200"), 4.5e12),
    (("h100", "mi300"), 3.0e12),
    (("a100",), 1.7e12),
    (("5090",), 1.7e12),
    (("4090", "3090", "7900"), 0.95e12),
    (("a6000", "4080", "a5000"), 0.7e12),
    (("apple",), 0.2e12),
)

# The bandwidth of other GPUs, and of RAM.
_USUAL_GPU, _USUAL_RAM = 0.4e12, 30e9
# The share of the bandwidth that reading weights reaches.
_EFFICIENCY = 0.6
# The least tokens per second of each class.
_CLASSES = ((100, "instant"), (30, "fast"), (10, "reading pace"), (0, "slow"))


def speed_class(spec: ModelSpec, plan: ModelPlan, machine: Machine) -> str:
    """Return a word for the estimated tokens per second, marked `≈`."""
    weights = plan.gpu.weights + plan.ram.weights
    share = spec.active_parameters / spec.parameters if spec.active_parameters else 1.0
    on_gpu = plan.gpu.weights * share / _bandwidth(machine)
    layers_in_ram = max(0, weights - plan.gpu.weights) if plan.setting.gpu_layers else weights
    is_whole = plan.gpu.weights and plan.gpu.weights >= 0.9 * weights
    in_ram = 0.0 if is_whole else layers_in_ram * share / _USUAL_RAM
    per_second = _EFFICIENCY / max(on_gpu + in_ram, 1e-9)
    return "≈ " + next(word for least, word in _CLASSES if per_second >= least)


def _bandwidth(machine: Machine) -> float:
    names = " ".join(gpu.description.casefold() for gpu in machine.gpus)
    for words, rate in _BANDWIDTHS:
        if any(word in names for word in words):
            return rate
    return _USUAL_GPU
