"""The workers of a process: one child per model, loaded when needed, unloaded when idle or in the
way.

Does not know tiers or what prompts mean; cascades ask the pool for models by name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping

import msgspec

from tierchat.config.catalogue import ModelSpec
from tierchat.config.shared_models import owners
from tierchat.errors import EngineCrashed, ModelMissing
from tierchat.models.on_disk import is_here, size_on_disk
from tierchat.models.placement.cascade_plans import CascadePlans
from tierchat.models.placement.hardware import num_cores
from tierchat.workers.cores import CoreBudget
from tierchat.workers.crashes import refuse_quarantined
from tierchat.workers.eviction import Eviction
from tierchat.workers.idle import IdleTimers
from tierchat.workers.protocol import (
    Escalated,
    Finished,
    Generate,
    ModelInfo,
    RequestEvent,
    RequestOrder,
)
from tierchat.workers.seat import Seat
from tierchat.workers.speeds import ModelSpeed, Speeds
from tierchat.workers.starter import Starter
from tierchat.workers.status import WorkerStatus
from tierchat.workers.worker import Worker, WorkerDied


class Pool:
    """Owns every worker. All methods belong to one event loop.

    `cores` are divided between the workers that are busy: all of this machine if none are given.
    Models that are the same file, loaded in the same way, share one worker. Without `plans` every
    model is loaded as its entry in the catalogue says, and none makes room for another.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        starter: Starter,
        *,
        keepalive_s: float,
        plans: CascadePlans | None = None,
        cores: CoreBudget | None = None,
        speeds: Speeds | None = None,
    ) -> None:
        # The seat of each model has the name of the first model that shares it.
        self._owners = owners(models)
        self._seats = {name: Seat(models[name]) for name in self._owners.values()}
        self._starter = starter
        self._keepalive_s = keepalive_s
        self._idle = IdleTimers(self.unload)
        # Seats of models that changed or went, until their last answers are over.
        self._retired: list[Seat] = []
        self._sweeps: set[asyncio.Task[None]] = set()
        self._eviction = Eviction(plans, self._owner)
        self._cores = cores or CoreBudget(num_cores())
        self._speeds = speeds or Speeds()
        self._is_closed = False

    def is_loaded(self, model: str) -> bool:
        """Whether a prompt for this model starts at once."""
        seat = self._seats.get(self._owner(model))
        return seat is not None and seat.live_worker is not None

    def is_present(self, model: str) -> bool:
        """Whether the model's files are on this machine, or still in memory."""
        seat = self._seats.get(self._owner(model))
        return self.is_loaded(model) or (seat is not None and is_here(seat.spec))

    def info(self, model: str) -> ModelInfo | None:
        """Return what the model's worker last reported, or None if it was never loaded."""
        seat = self._seats.get(self._owner(model))
        return seat.info if seat else None

    def speed(self, model: str, think: bool | None = None) -> ModelSpeed:
        """Return how long this model is expected to load, read and write on this machine."""
        seat = self._seats.get(self._owner(model))
        is_loaded = self.is_loaded(model)
        # The size of a loaded model was noted when it was loaded.
        size_bytes = _active_bytes(seat.spec) if seat and not is_loaded else 0.0
        return self._speeds.speed(self._owner(model), size_bytes, is_loaded=is_loaded, think=think)

    def template_sha256(self, model: str) -> str | None:
        """Return the hash of the model's chat template; None while it is not loaded."""
        info = self.info(model) if self.is_loaded(model) else None
        return info.template_sha256 if info else None

    async def load_ahead(self, model: str) -> None:
        """Load a model unless another would have to be unloaded for it."""
        await self.load(model, may_unload=False)
        # Perhaps no prompt comes for it.
        self.keep([model], None)

    async def load(self, model: str, *, may_unload: bool = True) -> Worker:
        """Return the model's live worker, starting it if needed.

        Raises ModelMissing, ModelCorrupt, DoesNotFit, EngineCrashed (quarantined, or died
        loading), ...
        """
        seat = self._seat(model)
        try:
            async with seat.lock:
                if seat.live_worker and not seat.is_overwritten:
                    return seat.live_worker
                return await self._start(model, seat, may_unload=may_unload)
        finally:
            self._share_cores()

    async def _start(self, model: str, seat: Seat, *, may_unload: bool) -> Worker:
        await seat.drop()
        refuse_quarantined(model, seat.spec, seat.crashes)
        try:
            await self._eviction.make_room(
                model, seat, self._seats, self._retired, may_unload=may_unload
            )
            if self._is_closed:
                raise EngineCrashed("the daemon is stopping")
            self._share_cores()
            began_s = time.monotonic()
            await seat.start(self._owner(model), self._starter)
            self._speeds.record_load(
                self._owner(model), _active_bytes(seat.spec), time.monotonic() - began_s
            )
        except asyncio.CancelledError:
            if self._is_closed and not _is_cancelled():
                raise EngineCrashed("the daemon is stopping") from None
            raise
        finally:
            # Memory that was set aside is free again unless a worker has it.
            seat.plan = seat.plan if seat.worker else None
        assert seat.worker
        return seat.worker

    async def unload(self, model: str) -> bool:
        """End a model's worker now; False if it was not loaded or is busy."""
        seat = self._seat(model)
        self._idle.cancel(self._owner(model))
        return await seat.unload()

    def plan_as_part_of(self, cascade: str, models: Iterable[str]) -> None:
        """Plan these models as part of that cascade from now on."""
        if self._eviction.plans:
            self._eviction.plans.plan_as_part_of(cascade, models)

    def take_notice(self, model: str) -> str:
        """Return once what a person should know of how the model was loaded, and of the machine."""
        seat = self._seats.get(self._owner(model))
        if seat is None:
            return ""
        notices, seat.notice = (seat.notice, self._starter.take_machine_notice()), ""
        return "; ".join(filter(None, notices))

    async def generate(self, model: str, order: RequestOrder) -> AsyncGenerator[RequestEvent, None]:
        """Run one request on a model; closing the iterator cancels it. Never unloads a busy model.

        Raises what `load` raises, or WorkerDied when the worker dies under the request.
        """
        seat = self._seat(model)
        seat.num_active += 1
        self._idle.cancel(self._owner(model))
        try:
            worker = await self.load(model)
            events = worker.generate(order)
            try:
                async for event in events:
                    if isinstance(event, Escalated | Finished) and isinstance(order, Generate):
                        self._record(model, order, event)
                    yield event
            except WorkerDied as error:
                await seat.bury(worker, error)
                raise
            finally:
                await events.aclose()
        finally:
            seat.num_active -= 1
            self._share_cores()
            seat.last_used_s = time.monotonic()
            if seat in self._retired:
                await self._end_retired()
            elif not seat.num_active:
                self._idle.start(self._owner(model), self._keepalive_s)

    def _record(self, model: str, order: Generate, end: Escalated | Finished) -> None:
        if order.is_background:
            # Several share a decode, and a lesson holds back: that says nothing of a prompt's wait.
            return
        is_answer = isinstance(end, Finished) and end.reason in ("stop", "length")
        self._speeds.record(self._owner(model), end.usage, is_answer=is_answer, think=order.think)

    def keep(self, models: Iterable[str], keepalive_s: float | None) -> None:
        """Let idle models stay for so long from now: seconds, negative for ever, 0 not at all.

        None takes the pool's own time.
        """
        chosen_s = self._keepalive_s if keepalive_s is None else keepalive_s
        for model in models:
            seat = self._seats.get(self._owner(model))
            if seat and seat.worker and not seat.num_active:
                self._idle.start(self._owner(model), chosen_s)

    def status(self) -> tuple[WorkerStatus, ...]:
        """Describe every worker; the cascade adds the `tiers` that use it."""
        sharing = {
            name: [n for n, owner in self._owners.items() if owner == name] for name in self._seats
        }
        return tuple(
            msgspec.structs.replace(
                seat.status(name, self._idle.remaining_s(name)),
                shared_with=tuple(other for other in sharing[name] if other != name),
            )
            for name, seat in self._seats.items()
        )

    async def replace(
        self,
        models: Mapping[str, ModelSpec],
        plans: CascadePlans | None,
        *,
        reloads_all: bool = False,
    ) -> None:
        """Serve other models from now on; workers of unchanged models stay.

        A model whose entry changed or went is unloaded after the answers it is busy with;
        `reloads_all` treats every model so.
        """
        self._eviction.plans = plans
        self._owners = owners(models)
        new = {name: models[name] for name in self._owners.values()}
        for name, seat in list(self._seats.items()):
            if reloads_all or new.get(name) != seat.spec:
                self._idle.cancel(name)
                self._retired.append(self._seats.pop(name))
        for name, spec in new.items():
            self._seats.setdefault(name, Seat(spec))
        await self._end_retired()

    async def close(self) -> None:
        """End every child."""
        self._is_closed = True
        seats = [*self._seats.values(), *self._retired]
        for seat in seats:
            seat.stop_starting()
        await asyncio.gather(*(_close(seat) for seat in seats), self._idle.close(), *self._sweeps)
        self._speeds.save()

    def _share_cores(self) -> None:
        self._cores.share([*self._seats.values(), *self._retired])

    def _seat(self, model: str) -> Seat:
        if self._owner(model) not in self._seats:
            raise ModelMissing(
                f"there is no model named {model!r} any more", "`tierchat ls` lists all"
            )
        return self._seats[self._owner(model)]

    def _owner(self, model: str) -> str:
        """Name the model whose seat a model uses: its own, unless it shares one."""
        return self._owners.get(model, model)

    async def _end_retired(self) -> None:
        """End retired models that are idle, even if the caller is cancelled meanwhile."""
        sweep = asyncio.create_task(self._sweep())
        self._sweeps.add(sweep)
        sweep.add_done_callback(self._sweeps.discard)
        await asyncio.shield(sweep)

    async def _sweep(self) -> None:
        for seat in [seat for seat in self._retired if not seat.num_active]:
            await seat.unload()
            if not seat.num_active and seat in self._retired:
                self._retired.remove(seat)


def _active_bytes(spec: ModelSpec) -> float:
    """Return how many bytes of a model are used for each token: a share of a mixture of experts."""
    is_mixture = spec.active_parameters and spec.parameters
    share = spec.active_parameters / spec.parameters if is_mixture else 1.0
    return size_on_disk(spec) * share


async def _close(seat: Seat) -> None:
    """End a seat's worker whatever it does; a start under way has been cancelled."""
    async with seat.lock:
        await seat.drop()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
