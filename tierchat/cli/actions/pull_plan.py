"""What pulling a cascade would fetch, and how it would run here: files, disk, memory, speed.

Pure but for looking at files; does not know terminals or the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec
from tierchat.models.hub.names import hub_file
from tierchat.models.hub.part_file import missing_bytes
from tierchat.models.on_disk import is_whole
from tierchat.models.placement.hardware import Machine
from tierchat.models.placement.planner import ModelPlan, Plan
from tierchat.models.placement.plans import CascadePlans, room_of_machine
from tierchat.models.placement.speed import speed_class
from tierchat.paths import Paths
from tierchat.terminal.table import table
from tierchat.terminal.units import memory_text, size_text

# Of the default family, the largest that fits is proposed.
_FAMILY = ("80gb", "48gb", "24gb", "16gb", "8gb", "cpu")
_LEAST_CONTEXT = 8192
_COLUMNS = ("TIER", "MODEL", "DISK", "MEMORY", "CONTEXT", "CACHE", "SPEED", "WHERE")


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
    plans = CascadePlans(catalogue, name, lambda: machine, context)
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
