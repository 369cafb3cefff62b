"""A pull plan and the machine it is for, as lines of text. Does not know streams."""

from __future__ import annotations

import shutil

from tierchat.cli.pull_plan import USUAL_BYTES_PER_S, PullPlan
from tierchat.config.catalogue import ModelSpec
from tierchat.models.hub.part_file import existing
from tierchat.models.on_disk import is_whole, size_on_disk
from tierchat.models.placement.cascade_plans import room_of_machine
from tierchat.models.placement.hardware import Machine
from tierchat.models.placement.model_plan import ModelPlan
from tierchat.models.placement.speed import speed_class
from tierchat.paths import Paths
from tierchat.terminal.table import table
from tierchat.terminal.units import duration_text, memory_text, size_text

_COLUMNS = ("TIER", "MODEL", "DISK", "MEMORY", "CONTEXT", "CACHE", "SPEED", "WHERE")


def describe_plan(pull: PullPlan) -> list[str]:
    """Describe how a cascade would run: a row a tier, then its memory and whether it fits."""
    rows: list[tuple[str, ...]] = [_COLUMNS]
    seen: set[str] = set()
    for tier in pull.spec.tiers:
        plan = pull.plan.of(tier.model)
        assert plan
        rows.append(_row(pull, tier.name, plan, plan.model in seen))
        seen.add(plan.model)
    thinking = [tier.name for tier in pull.spec.tiers if tier.think]
    lines = [f"cascade {pull.name}: {pull.spec.description}".rstrip(": "), *table(rows)]
    if thinking:
        lines.append(f"{', '.join(thinking)} thinks first, on the same loaded model")
    return [*lines, *_memory_lines(pull)]


def disk_line(pull: PullPlan, paths: Paths) -> str:
    """Say how much is to be fetched, and how much the disk has room for."""
    total = sum(pull.models[name].bytes for name in pull.spec.models)
    free = shutil.disk_usage(existing(paths.models_dir / "any")).free
    to_fetch = pull.bytes_to_fetch(paths)
    time = f" ({duration_text(to_fetch / USUAL_BYTES_PER_S)} at 50 Mbit/s)" if to_fetch else ""
    return (
        f"to fetch: {size_text(to_fetch)} of {size_text(total)}{time}; "
        f"free on disk: {size_text(free)}"
    )


def describe_machine(machine: Machine) -> str:
    """Describe the machine in one line."""
    room = room_of_machine(machine)
    gpus = [
        f"{gpu.description} ({gpu.backend}), {memory_text(gpu.total_bytes)}" for gpu in machine.gpus
    ]
    ram = f"RAM {memory_text(machine.ram_total_bytes)}, {memory_text(room.ram)} usable"
    return "; ".join([*gpus, ram, f"{machine.num_cores} cores"])


def _row(pull: PullPlan, tier: str, plan: ModelPlan, is_again: bool) -> tuple[str, ...]:
    if is_again:
        return (tier, plan.model, "the same", "", "", "", "", "")
    spec, about = pull.models[plan.model], "≈ " if plan.is_estimate else ""
    total = sum(plan.gpu_bytes) + (0 if sum(plan.gpu_bytes) else plan.ram_bytes)
    return (
        tier,
        plan.model,
        size_text(_size_bytes(spec)) if _size_bytes(spec) else "?",
        about + memory_text(total),
        f"{plan.setting.context:,}",
        plan.setting.kv_type,
        speed_class(spec, plan, pull.machine),
        plan.why or _place(plan) + (", here" if is_whole(spec) else ""),
    )


def _memory_lines(pull: PullPlan) -> list[str]:
    """Say how much of each memory the plan takes, and which models take turns or do not fit."""
    lines = []
    about = "≈ " if any(each.is_estimate for each in pull.plan.models) else ""
    kept = [each for each in pull.plan.models if each.is_resident]
    for gpu, device in enumerate(pull.machine.gpus):
        used = sum(each.gpu_bytes[gpu] for each in kept)
        free = pull.plan.room.gpus[gpu]
        lines.append(
            f"{device.description}: {about}{memory_text(used)} of {memory_text(free)} usable"
        )
    ram = sum(each.ram_bytes for each in kept)
    lines.append(f"RAM: {about}{memory_text(ram)} of {memory_text(pull.plan.room.ram)} usable")
    if not pull.plan.fits:
        bad = [f"{each.model} {each.why}" for each in pull.plan.models if each.why]
        lines.append(f"does not fit this machine: {'; '.join(bad)}")
    elif not pull.plan.is_resident:
        turns = ", ".join(each.model for each in pull.plan.models if not each.is_resident)
        lines.append(f"not all at once: {turns} loaded when needed, in turns")
    else:
        lines.append("all stay loaded together")
    return lines


def _place(plan: ModelPlan) -> str:
    if not sum(plan.gpu_bytes):
        return "in RAM"
    used = [gpu for gpu, size in enumerate(plan.gpu_bytes) if size]
    gpus = f"GPU {'+'.join(map(str, used))}" if len(plan.gpu_bytes) > 1 else "GPU"
    return f"{gpus} and RAM" if plan.ram.kv else gpus


def _size_bytes(spec: ModelSpec) -> int:
    return spec.bytes or size_on_disk(spec)
