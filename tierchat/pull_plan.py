"""What pulling a cascade would fetch, and how it would run here: files, disk, memory, speed.

Pure but for looking at files; does not know terminals or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, is_whole
from tierchat.errors import UsageError
from tierchat.hardware import Machine
from tierchat.hub_names import HubFile
from tierchat.part_file import missing_bytes
from tierchat.paths import Paths
from tierchat.planner import ModelPlan, Plan
from tierchat.residency import Plans, room_of_machine
from tierchat.terminal.table import table
from tierchat.terminal.units import memory_text, size_text

# Of the default family, the largest that fits is proposed.
_FAMILY = ("80gb", "48gb", "24gb", "16gb", "8gb", "cpu")
_LEAST_CONTEXT = 8192
_COLUMNS = ("TIER", "MODEL", "DISK", "MEMORY", "CONTEXT", "CACHE", "SPEED", "WHERE")
# Bytes a second that weights are read with, by words in a device's name; guesses mark themselves.
_BANDWIDTHS = (
    (("h200", "b200"), 4.5e12),
    (("h100", "mi300"), 3.0e12),
    (("a100",), 1.7e12),
    (("5090",), 1.7e12),
    (("4090", "3090", "7900"), 0.95e12),
    (("a6000", "4080", "a5000"), 0.7e12),
    (("apple",), 0.2e12),
)
_USUAL_GPU, _USUAL_RAM = 0.4e12, 30e9
_EFFICIENCY = 0.6
_CLASSES = ((100, "instant"), (30, "fast"), (10, "reading pace"), (0, "slow"))


@dataclass(frozen=True)
class PullPlan:
    """A cascade, what of it is still to come, smallest first, and how it would be loaded."""

    name: str
    spec: CascadeSpec
    models: Mapping[str, ModelSpec]
    plan: Plan
    machine: Machine

    @property
    def published(self) -> list[str]:
        """Name the models that can be fetched, smallest first."""
        found = [model for model in self.spec.models if self.models[model].repo]
        return sorted(found, key=lambda model: self.models[model].bytes)

    @property
    def missing(self) -> list[str]:
        """Name those of them that are not here, or not whole."""
        return [model for model in self.published if not is_whole(self.models[model])]

    def bytes_to_fetch(self, paths: Paths) -> int:
        """Count what is to come, less what an earlier pull has left."""
        files = [hub_file(self.models[m], paths) for m in self.missing]
        return sum(missing_bytes(file.target, file.size_bytes or 0) for file in files)

    def lines(self) -> list[str]:
        """Describe the plan for people."""
        rows: list[tuple[str, ...]] = [_COLUMNS]
        seen: set[str] = set()
        for tier in self.spec.tiers:
            model = self.plan.of(tier.model)
            assert model
            rows.append(self._row(tier.name, model, tier.model in seen))
            seen.add(tier.model)
        thinking = [tier.name for tier in self.spec.tiers if tier.think]
        lines = [f"cascade {self.name}: {self.spec.description}".rstrip(": "), *table(rows)]
        if thinking:
            lines.append(f"{', '.join(thinking)} thinks first, on the same loaded model")
        return [*lines, *self._memory_lines()]

    def _row(self, tier: str, plan: ModelPlan, is_again: bool) -> tuple[str, ...]:
        if is_again:
            return (tier, plan.model, "the same", "", "", "", "", "")
        spec, about = self.models[plan.model], "≈ " if plan.is_estimate else ""
        is_here = is_whole(spec)
        total = sum(plan.gpu_bytes) + (0 if sum(plan.gpu_bytes) else plan.ram_bytes)
        return (
            tier,
            plan.model,
            size_text(_size_bytes(spec)) if _size_bytes(spec) else "?",
            about + memory_text(total),
            f"{plan.setting.context:,}",
            plan.setting.kv_type,
            speed_class(spec, plan, self.machine),
            plan.why or where(plan) + (", here" if is_here else ""),
        )

    def _memory_lines(self) -> list[str]:
        lines = []
        about = "≈ " if any(each.is_estimate for each in self.plan.models) else ""
        kept = [each for each in self.plan.models if each.is_resident]
        for gpu, device in enumerate(self.machine.gpus):
            used = sum(each.gpu_bytes[gpu] for each in kept)
            free = self.plan.room.gpus[gpu]
            lines.append(
                f"{device.description}: {about}{memory_text(used)} of {memory_text(free)} usable"
            )
        ram = sum(each.ram_bytes for each in kept)
        lines.append(f"RAM: {about}{memory_text(ram)} of {memory_text(self.plan.room.ram)} usable")
        if not self.plan.fits:
            bad = [f"{each.model} {each.why}" for each in self.plan.models if each.why]
            lines.append(f"does not fit this machine: {'; '.join(bad)}")
        elif not self.plan.is_resident:
            turns = ", ".join(each.model for each in self.plan.models if not each.is_resident)
            lines.append(f"not all at once: {turns} loaded when needed, in turns")
        else:
            lines.append("all stay loaded together")
        return lines


def plan_pull(name: str, catalogue: Catalogue, machine: Machine, context: int = 0) -> PullPlan:
    """Plan for one cascade; raises UsageError for an unknown one."""
    spec = catalogue.find(name)
    plans = Plans(catalogue, name, lambda: machine, context)
    return PullPlan(name, spec, catalogue.models, plans.of_cascade(name), machine)


def propose(catalogue: Catalogue, machine: Machine) -> str:
    """Name the largest cascade of the default family that fits whole; GPUs only take their own."""
    family = _FAMILY if machine.gpus else _FAMILY[-1:]
    for name in family:
        if name not in catalogue.cascades:
            continue
        found = plan_pull(name, catalogue, machine).plan
        if found.is_resident and found.fits and _is_roomy(found, machine):
            return name
    return family[-1]


def hub_file(spec: ModelSpec, paths: Paths) -> HubFile:
    """Say which file of the hub a model of the catalogue is; raises UsageError for odd names."""
    target = Path(spec.file)
    if not target.is_relative_to(paths.models_dir):
        raise UsageError(
            f"refusing the file name {spec.file!r}: it must be a path inside the repo",
            "correct `file` in your models.toml",
        )
    folder = paths.models_dir / target.relative_to(paths.models_dir).parts[0]
    return HubFile(
        repo=spec.repo,
        revision=spec.revision or "main",
        file=str(target.relative_to(folder)),
        target=target,
        size_bytes=spec.bytes or None,
        sha256=spec.sha256,
    )


def speed_class(spec: ModelSpec, plan: ModelPlan, machine: Machine) -> str:
    """Guess how fast answers are written, from the bytes read for a token; a word for a range."""
    weights = plan.gpu.weights + plan.ram.weights
    share = spec.active_parameters / spec.parameters if spec.active_parameters else 1.0
    on_gpu = plan.gpu.weights * share / _bandwidth(machine)
    layers_in_ram = max(0, weights - plan.gpu.weights) if plan.setting.gpu_layers else weights
    is_whole = plan.gpu.weights and plan.gpu.weights >= 0.9 * weights
    in_ram = 0.0 if is_whole else layers_in_ram * share / _USUAL_RAM
    per_second = _EFFICIENCY / max(on_gpu + in_ram, 1e-9)
    return "≈ " + next(word for least, word in _CLASSES if per_second >= least)


def where(plan: ModelPlan) -> str:
    """Say where a model would live."""
    if not sum(plan.gpu_bytes):
        return "in RAM"
    used = [gpu for gpu, size in enumerate(plan.gpu_bytes) if size]
    place = f"GPU {'+'.join(map(str, used))}" if len(plan.gpu_bytes) > 1 else "GPU"
    return f"{place} and RAM" if plan.ram.kv else place


def room_text(machine: Machine) -> str:
    """Describe the machine in a line."""
    room = room_of_machine(machine)
    gpus = [
        f"{gpu.description} ({gpu.backend}), {memory_text(gpu.total_bytes)}" for gpu in machine.gpus
    ]
    ram = f"RAM {memory_text(machine.ram_total_bytes)}, {memory_text(room.ram)} usable"
    return "; ".join([*gpus, ram, f"{machine.num_cores} cores"])


def _is_roomy(plan: Plan, machine: Machine) -> bool:
    is_long = all(each.setting.context >= _LEAST_CONTEXT for each in plan.models)
    whole = all(sum(each.gpu_bytes) and not each.ram.kv for each in plan.models)
    return is_long and (whole or not machine.gpus)


def _size_bytes(spec: ModelSpec) -> int:
    path = Path(spec.file)
    return spec.bytes or (path.stat().st_size if path.is_file() else 0)


def _bandwidth(machine: Machine) -> float:
    names = " ".join(gpu.description.casefold() for gpu in machine.gpus)
    for words, rate in _BANDWIDTHS:
        if any(word in names for word in words):
            return rate
    return _USUAL_GPU


def plan_facts(plan: PullPlan) -> dict[str, object]:
    """Give a plan as plain values, for JSON."""
    models = [
        {
            "model": each.model,
            "context": each.setting.context,
            "kv_type": each.setting.kv_type,
            "gpu_layers": each.setting.gpu_layers,
            "gpu_bytes": each.gpu_bytes,
            "ram_bytes": each.ram_bytes,
            "threads": each.num_threads,
            "is_resident": each.is_resident,
            "is_estimate": each.is_estimate,
            "why_not": each.why,
        }
        for each in plan.plan.models
    ]
    return {"fits": plan.plan.fits, "models": models}
