"""Memory set aside for a model, and the idle models that are unloaded so that it fits.

Does not know how workers start or what they are asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tierchat.errors import DoesNotFit
from tierchat.models.placement.cascade_plans import CascadePlans
from tierchat.models.placement.model_plan import ModelPlan, Room
from tierchat.workers.seat import Seat


class Eviction:
    """Makes room in the memory of this machine, for one model at a time.

    Without `plans` every model gets the room it asks for. `owner` names the seat of a model.
    """

    def __init__(self, plans: CascadePlans | None, owner: Callable[[str], str]) -> None:
        self.plans = plans
        self._owner = owner
        self._making_room = asyncio.Lock()

    async def make_room(
        self,
        model: str,
        seat: Seat,
        seats: Mapping[str, Seat],
        retired: Sequence[Seat],
        *,
        may_unload: bool,
    ) -> None:
        """Set memory aside for a model by giving its seat a plan.

        Idle models of other `seats` are unloaded if need be and `may_unload`; `retired` seats
        take memory until their last answers are over. Raises DoesNotFit.
        """
        async with self._making_room:
            if not (plans := self.plans):
                return
            all_seats = [*seats.values(), *retired]
            if leaving := [each.leaving for each in all_seats if each.leaving]:
                await asyncio.wait(leaving)
            loaded = _measured(all_seats)
            if not loaded or not plans.has_looked:
                plans.look_again(loaded)
            # The seats of now: a reload may change them at every await.
            here = dict(seats)
            try:
                seat.plan = await self._room_for(model, plans, here, retired, may_unload)
            except DoesNotFit:
                # Other programs may have given memory back since the machine was looked at.
                plans.look_again(_measured(all_seats))
                seat.plan = await self._room_for(model, plans, here, retired, may_unload)

    async def _room_for(
        self,
        model: str,
        plans: CascadePlans,
        seats: Mapping[str, Seat],
        retired: Sequence[Seat],
        may_unload: bool,
    ) -> ModelPlan | None:
        plan = await asyncio.to_thread(plans.of, model)
        if plan is None:
            return None
        if plan.why:
            raise DoesNotFit(f"{model} does not fit: it {plan.why}", "use a smaller model")
        pinned = {self._owner(each) for each in await asyncio.to_thread(plans.pinned)}
        loaded = [_occupant(name, seat, is_pinned=name in pinned) for name, seat in seats.items()]
        # A retired model answers to its end, and is not unloaded before.
        loaded += [_occupant("a replaced model", seat, is_pinned=True) for seat in retired]
        for name in victims(plan, filter(None, loaded), plans.room):
            # A prompt that holds the victim's lock by now may wait for this very room.
            is_taken = not may_unload or seats[name].lock.locked()
            if is_taken or not await seats[name].unload():
                raise DoesNotFit(f"{model} does not fit beside {name}, which is in use")
        return plan


def _occupant(name: str, seat: Seat, *, is_pinned: bool) -> Occupant | None:
    if seat.plan is None or not seat.has_memory:
        return None
    is_busy = seat.num_active > 0 or seat.lock.locked()
    return Occupant(name, seat.plan, seat.last_used_s, is_busy=is_busy, is_pinned=is_pinned)


def _measured(seats: Iterable[Seat]) -> list[ModelPlan]:
    """Return the plans of what is loaded, with the RAM that it really takes."""
    return [plan for seat in seats if (plan := seat.measured())]


@dataclass(frozen=True)
class Occupant:
    """A model in memory, or being loaded; busy and pinned models stay there."""

    model: str
    plan: ModelPlan
    last_used_s: float
    is_busy: bool
    is_pinned: bool


def victims(wanted: ModelPlan, loaded: Iterable[Occupant], room: Room) -> list[str]:
    """Choose the models to unload so that `wanted` fits: idle models, the longest unused first.

    Raises DoesNotFit when the models that must stay leave too little.
    """
    stays = list(loaded)
    gone: list[str] = []
    idle = sorted(
        (each for each in stays if not each.is_busy and not each.is_pinned),
        key=lambda each: each.last_used_s,
    )
    while not _fits(wanted, stays, room):
        if not idle:
            beside = ", ".join(each.model for each in stays) or "what else runs on this machine"
            raise DoesNotFit(
                f"{wanted.model} does not fit beside {beside}",
                "unload a model (`tierchat unload`), or wait until it is idle",
            )
        first = idle.pop(0)
        stays.remove(first)
        gone.append(first.model)
    return gone


def _fits(wanted: ModelPlan, stays: Sequence[Occupant], room: Room) -> bool:
    all_plans = [wanted, *(each.plan for each in stays)]
    if sum(each.ram_bytes for each in all_plans) > room.ram:
        return False
    return all(
        sum(each.gpu_bytes[gpu] for each in all_plans) <= free for gpu, free in enumerate(room.gpus)
    )
