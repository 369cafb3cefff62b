"""Who is unloaded so that another fits.

Does not know workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tierchat.errors import DoesNotFit
from tierchat.models.placement.planner import ModelPlan, Room


@dataclass(frozen=True)
class Occupant:
    """A model in memory, or being loaded. `is_pinned` keeps it there, as being busy does."""

    model: str
    plan: ModelPlan
    last_used_s: float
    is_busy: bool
    is_pinned: bool


def victims(wanted: ModelPlan, loaded: Iterable[Occupant], room: Room) -> list[str]:
    """Choose who is unloaded so that `wanted` fits: idle ones, the longest unused first.

    Raises DoesNotFit when what must stay leaves too little.
    """
    stays = list(loaded)
    gone: list[str] = []
    idle = sorted(
        (one for one in stays if not one.is_busy and not one.is_pinned),
        key=lambda one: one.last_used_s,
    )
    while not _fits(wanted, stays, room):
        if not idle:
            busy = ", ".join(one.model for one in stays)
            raise DoesNotFit(
                f"{wanted.model} does not fit beside {busy or 'what else is on this machine'}",
                "unload a model (`tierchat unload`), or wait until it is idle",
            )
        first = idle.pop(0)
        stays.remove(first)
        gone.append(first.model)
    return gone


def _fits(wanted: ModelPlan, stays: Sequence[Occupant], room: Room) -> bool:
    all_plans = [wanted, *(one.plan for one in stays)]
    if sum(each.ram_bytes for each in all_plans) > room.ram:
        return False
    return all(
        sum(each.gpu_bytes[gpu] for each in all_plans) <= free for gpu, free in enumerate(room.gpus)
    )
