"""What pulling a cascade would fetch, and how the cascade would run here.

Pure but for looking at files; does not know the network, or how a plan is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec
from tierchat.models.hub.names import HubFile, hub_files
from tierchat.models.hub.part_file import missing_bytes
from tierchat.models.on_disk import is_whole
from tierchat.models.placement.cascade_plans import CascadePlans
from tierchat.models.placement.hardware import Machine
from tierchat.models.placement.model_plan import Plan
from tierchat.paths import Paths

# The default family, largest first; `propose` names the first one that fits.
_FAMILY = ("80gb", "48gb", "24gb", "16gb", "8gb", "cpu", "starter")
_WITHOUT_GPU = ("cpu", "starter")
_LEAST_CONTEXT = 8192
# 50 Mbit/s: an ordinary line. How fast this machine's line is, nobody knows before the first byte.
USUAL_BYTES_PER_S = 50e6 / 8


@dataclass(frozen=True)
class PullPlan:
    """A cascade, the files of it that are still to be fetched, and how it would be loaded."""

    name: str
    spec: CascadeSpec
    models: Mapping[str, ModelSpec]
    plan: Plan
    machine: Machine

    @property
    def published(self) -> list[str]:
        """The models of the cascade that can be fetched, smallest first."""
        found = [model for model in self.spec.models if self.models[model].repo]
        return sorted(found, key=lambda model: self.models[model].bytes)

    @property
    def missing(self) -> list[str]:
        """The published models that are not here, or not whole."""
        return [model for model in self.published if not is_whole(self.models[model])]

    def bytes_to_fetch(self, paths: Paths) -> int:
        """Count the bytes to fetch, less the parts that an earlier pull has left."""
        files = [file for m in self.missing for file in hub_files(self.models[m], paths)]
        return bytes_to_fetch(files)


def bytes_to_fetch(files: Iterable[HubFile]) -> int:
    """Count the bytes of files that are not here whole, less what has arrived of them."""
    return sum(
        missing_bytes(file.target, file.size_bytes or 0) for file in files if not file.is_here
    )


def plan_pull(name: str, catalogue: Catalogue, machine: Machine, context: int = 0) -> PullPlan:
    """Plan one cascade on one machine; raises UsageError for an unknown cascade."""
    spec = catalogue.find(name)
    plans = CascadePlans(catalogue, name, lambda: machine, context)
    return PullPlan(name, spec, catalogue.models, plans.of_cascade(name), machine)


def propose(catalogue: Catalogue, machine: Machine) -> str:
    """Return the largest cascade of the default family that fits; the smallest without a GPU."""
    family = _FAMILY if machine.gpus else _WITHOUT_GPU
    for name in family:
        if name not in catalogue.cascades:
            continue
        found = plan_pull(name, catalogue, machine).plan
        if found.is_resident and found.fits and _is_roomy(found, machine):
            return name
    return family[-1]


def _is_roomy(plan: Plan, machine: Machine) -> bool:
    is_long = all(each.setting.context >= _LEAST_CONTEXT for each in plan.models)
    whole = all(sum(each.gpu_bytes) and not each.ram.kv for each in plan.models)
    return is_long and (whole or not machine.gpus)


def plan_facts(plan: PullPlan) -> dict[str, object]:
    """Return a plan as plain values, for JSON."""
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
