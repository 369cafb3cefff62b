"""The workers of a daemon: one child per model, loaded when needed, unloaded when idle or in the
way.

Does not know tiers or prompts' meaning; cascades ask it for models by name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tierchat.config.catalogue import ModelSpec
from tierchat.errors import DoesNotFit, EngineCrashed, ModelMissing
from tierchat.models.file_stamp import FileStamp
from tierchat.models.placement.hardware import resident_bytes
from tierchat.models.placement.planner import ModelPlan, smaller
from tierchat.models.placement.plans import CascadePlans
from tierchat.workers.crashes import Crashes, refuse_quarantined
from tierchat.workers.eviction import Occupant, victims
from tierchat.workers.protocol import Generate, ModelInfo, RequestEvent
from tierchat.workers.starter import Starter
from tierchat.workers.status import WorkerState, WorkerStatus
from tierchat.workers.worker import Worker, WorkerDied


@dataclass
class _Seat:
    """Where one model's worker lives; None while it is not loaded.

    `plan` is set from the moment memory is set aside for it until that is free again.
    """

    spec: ModelSpec
    worker: Worker | None = None
    info: ModelInfo | None = None
    plan: ModelPlan | None = None
    stamp: FileStamp | None = None
    notice: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    crashes: Crashes = field(default_factory=Crashes)
    num_active: int = 0
    last_used_s: float = 0.0
    expires_s: float | None = None
    timer: asyncio.TimerHandle | None = None
    was_out_of_memory: bool = False

    @property
    def has_memory(self) -> bool:
        """A worker lives, comes or goes; what a dead one had is free."""
        is_alive = self.worker is not None and self.worker.is_alive
        return self.plan is not None and (is_alive or self.lock.locked())

    @property
    def is_overwritten(self) -> bool:
        """The loaded file was written to since: its weights may be anything by now."""
        return self.stamp is not None and self.stamp.is_overwritten(Path(self.spec.file))


class Pool:
    """Owns every worker. All methods belong to one event loop.

    Without `plans` every model is loaded as its entry in the catalogue says, and none makes room
    for another.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        starter: Starter,
        *,
        keepalive_s: float,
        plans: CascadePlans | None = None,
    ) -> None:
        self._places = {name: _Seat(spec) for name, spec in models.items()}
        self._starter = starter
        self._plans = plans
        self._keepalive_s = keepalive_s
        self._retired: list[_Seat] = []
        self._making_room = asyncio.Lock()
        self._unloads: set[asyncio.Task[bool]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def is_loaded(self, model: str) -> bool:
        """Tell whether a prompt for this model starts at once."""
        place = self._places.get(model)
        return place is not None and place.worker is not None and place.worker.is_alive

    def is_present(self, model: str) -> bool:
        """Tell whether the model's file is on this machine, or still in memory."""
        place = self._places.get(model)
        return self.is_loaded(model) or (place is not None and Path(place.spec.file).is_file())

    def info(self, model: str) -> ModelInfo | None:
        """Return what the model's worker last reported, or None if it was never loaded."""
        place = self._places.get(model)
        return place.info if place else None

    async def load_ahead(self, model: str) -> None:
        """Load a model unless another would have to go for it."""
        await self.load(model, may_unload=False)
        # Perhaps no prompt comes for it.
        self.keep([model], None)

    async def load(self, model: str, *, may_unload: bool = True) -> Worker:
        """Return the model's live worker, starting it if needed.

        Raises ModelMissing, ModelCorrupt, EngineCrashed (quarantined, or died loading), ...
        """
        place = self._place(model)
        async with place.lock:
            if place.worker and place.worker.is_alive and not place.is_overwritten:
                return place.worker
            if place.worker:
                # Emptied first: its end is no crash to whom it still serves.
                worker, place.worker = place.worker, None
                await worker.stop()
            place.plan = None
            if self._is_closed:
                raise EngineCrashed("the daemon is stopping")
            refuse_quarantined(model, place.spec, place.crashes)
            try:
                await self._make_room(model, place, may_unload)
                await self._start(model, place)
            finally:
                # Memory that was set aside is free again unless a worker has it.
                place.plan = place.plan if place.worker else None
            assert place.worker
            return place.worker

    async def unload(self, model: str) -> bool:
        """End a model's worker now; False if it was not loaded or is busy."""
        place = self._place(model)
        self._forget_timer(place)
        return await self._unload(place)

    def plan_as_part_of(self, cascade: str, models: Iterable[str]) -> None:
        """Plan these models as part of that cascade from now on."""
        if self._plans:
            self._plans.plan_as_part_of(cascade, models)

    def take_notice(self, model: str) -> str:
        """Return once what a person should know of how the model was loaded."""
        place = self._places.get(model)
        if place is None:
            return ""
        notice, place.notice = place.notice, ""
        return notice

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        """Run one request on a model; closing the iterator cancels it. Never unloads a busy model.

        Raises what `load` raises, or WorkerDied when the worker dies under the request.
        """
        place = self._place(model)
        place.num_active += 1
        self._forget_timer(place)
        try:
            worker = await self.load(model)
            events = worker.generate(order)
            try:
                async for event in events:
                    yield event
            except WorkerDied as error:
                await self._bury(place, worker, error)
                raise
            finally:
                await events.aclose()
        finally:
            place.num_active -= 1
            place.last_used_s = time.monotonic()
            if place in self._retired:
                await self._sweep()
            elif not place.num_active:
                self._expire_later(model, place, self._keepalive_s)

    def keep(self, models: Iterable[str], keepalive_s: float | None) -> None:
        """Let idle models stay for so long from now: seconds, negative for ever, 0 not at all.

        None is the pool's own choice.
        """
        chosen_s = self._keepalive_s if keepalive_s is None else keepalive_s
        for model in models:
            place = self._places.get(model)
            if place and place.worker and not place.num_active:
                self._expire_later(model, place, chosen_s)

    def status(self) -> tuple[WorkerStatus, ...]:
        """Describe every model; `tiers` is left to who knows cascades."""
        return tuple(self._describe(name, place) for name, place in self._places.items())

    async def replace(
        self,
        models: Mapping[str, ModelSpec],
        plans: CascadePlans | None,
        *,
        begins_anew: bool = False,
    ) -> None:
        """Serve other models from now on; workers of those that are the same stay.

        `begins_anew` lets none stay: all are to be loaded otherwise from now on.

        One whose entry has changed or gone is unloaded, after the answers it is busy with.
        """
        self._plans = plans
        for name, place in list(self._places.items()):
            if begins_anew or models.get(name) != place.spec:
                self._retired.append(self._places.pop(name))
        for name, spec in models.items():
            self._places.setdefault(name, _Seat(spec))
        await self._sweep()

    async def _sweep(self) -> None:
        for place in [place for place in self._retired if not place.num_active]:
            self._forget_timer(place)
            self._retired.remove(place)
            await self._unload(place)

    async def close(self) -> None:
        """End every child."""
        self._is_closed = True
        places = [*self._places.values(), *self._retired]
        for place in places:
            self._forget_timer(place)
        workers = [place.worker for place in places if place.worker]
        await asyncio.gather(*(w.stop() for w in workers), *self._unloads)

    def _place(self, model: str) -> _Seat:
        if model not in self._places:
            raise ModelMissing(
                f"there is no model named {model!r} any more", "`tierchat ls` lists all"
            )
        return self._places[model]

    async def _start(self, model: str, place: _Seat) -> None:
        started = await self._starter.start(
            model, place.spec, place.crashes, place.plan, is_smaller=place.was_out_of_memory
        )
        place.worker, place.stamp, place.info = started.worker, started.stamp, started.worker.info
        place.notice = place.notice or started.notice
        place.last_used_s = time.monotonic()

    async def _make_room(self, model: str, place: _Seat, may_unload: bool) -> None:
        """Set memory aside for a model, unloading idle ones if need be; raises DoesNotFit."""
        if self._plans is None:
            return
        async with self._making_room:
            if self._leaving:
                await asyncio.wait(self._leaving)
            there = self._measured()
            if not there or not self._plans.has_looked:
                self._plans.look_again(there)
            try:
                place.plan = await self._room_for(model, may_unload)
            except DoesNotFit:
                # Others may have given memory back since it was looked at.
                self._plans.look_again(self._measured())
                place.plan = await self._room_for(model, may_unload)

    def _measured(self) -> list[ModelPlan]:
        """Give the plans of what is loaded, with the RAM it really takes."""
        found = []
        for place in [*self._places.values(), *self._retired]:
            if place.plan:
                used = resident_bytes(place.worker.pid) if place.worker else None
                ram = place.plan.ram_bytes if used is None else min(used, place.plan.ram_bytes)
                found.append(replace(place.plan, ram_bytes=ram))
        return found

    async def _room_for(self, model: str, may_unload: bool) -> ModelPlan | None:
        assert self._plans is not None
        plan = await asyncio.to_thread(self._plans.of, model)
        if plan is None:
            return None
        if plan.why:
            raise DoesNotFit(f"{model} does not fit: it {plan.why}", "use a smaller model")
        pinned = await asyncio.to_thread(self._plans.pinned)
        for name in victims(plan, self._loaded(pinned), self._plans.room):
            victim = self._places[name]
            # Whoever has its lock by now may be waiting for this very room.
            is_taken = not may_unload or victim.lock.locked()
            if is_taken or not await self._unload(victim):
                raise DoesNotFit(f"{model} does not fit beside {name}, which is in use")
        return plan

    def _loaded(self, pinned: Collection[str]) -> list[Occupant]:
        return [
            Occupant(
                name,
                place.plan,
                place.last_used_s,
                is_busy=place.num_active > 0 or place.lock.locked(),
                is_pinned=name in pinned,
            )
            for name, place in self._places.items()
            if place.plan and place.has_memory
        ]

    async def _bury(self, place: _Seat, worker: Worker, error: WorkerDied) -> None:
        # Every request of a dead worker comes here; the first one clears the place.
        if place.worker is not worker:
            return
        plan, place.worker, place.plan = place.plan, None, None
        if error.is_out_of_memory and not place.was_out_of_memory:
            # Not a fault of the model: the next worker is given less.
            place.was_out_of_memory = True
            can_shrink = plan is not None and smaller(place.spec, plan.setting) is not None
            what_now = " and is loaded smaller from now on" if can_shrink else ""
            place.notice = f"{worker.order.name} ran out of memory{what_now}"
        else:
            place.crashes.record(error.message)
        await worker.stop()

    def _expire_later(self, model: str, place: _Seat, keepalive_s: float) -> None:
        self._forget_timer(place)
        if keepalive_s < 0 or self._is_closed:
            return
        place.expires_s = time.monotonic() + keepalive_s
        loop = asyncio.get_running_loop()
        place.timer = loop.call_later(keepalive_s, self._unload_soon, model)

    def _forget_timer(self, place: _Seat) -> None:
        if place.timer:
            place.timer.cancel()
        place.timer = place.expires_s = None

    def _unload_soon(self, model: str) -> None:
        task = asyncio.create_task(self.unload(model))
        self._unloads.add(task)
        task.add_done_callback(self._unloads.discard)

    async def _unload(self, place: _Seat) -> bool:
        async with place.lock:
            # A prompt may have come while the lock was waited for.
            if not place.worker or place.num_active:
                return False
            worker, place.worker = place.worker, None
            end = asyncio.create_task(worker.stop())
            self._leaving.add(end)
            end.add_done_callback(self._leaving.discard)
            await end
            place.plan = None
            return True

    def _describe(self, name: str, place: _Seat) -> WorkerStatus:
        worker = place.worker if place.worker and place.worker.is_alive else None
        expires_in_s = None
        if worker and place.expires_s is not None:
            expires_in_s = max(0.0, place.expires_s - time.monotonic())
        plan = place.plan if place.has_memory else None
        reason = place.crashes.quarantine_reason
        state: WorkerState
        if worker:
            state = "busy" if place.num_active else "ready"
        else:
            state = "quarantined" if reason else "loading" if place.lock.locked() else "stopped"
        return WorkerStatus(
            model=name,
            tiers=(),
            state=state,
            pid=worker.pid if worker else None,
            rss_bytes=resident_bytes(worker.pid) if worker else None,
            size_bytes=place.info.size_bytes if place.info else None,
            context=place.info.context if place.info else None,
            num_active=place.num_active,
            num_crashes=len(place.crashes),
            expires_in_s=expires_in_s,
            is_gpu_offloaded=bool(worker and place.info and place.info.is_gpu_offloaded),
            gpu_bytes=place.info.gpu_bytes if worker and place.info else None,
            planned_ram_bytes=plan.ram_bytes if plan else None,
            planned_gpu_bytes=sum(plan.gpu_bytes) if plan else None,
            reason=reason,
        )
