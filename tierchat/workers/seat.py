"""Where the worker of one model lives, is started, counted and ended.

Does not know other models, memory plans or timers.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

from tierchat.config.catalogue import ModelSpec
from tierchat.models.file_stamp import ModelStamp
from tierchat.models.placement.hardware import resident_bytes
from tierchat.models.placement.model_plan import ModelPlan
from tierchat.models.placement.planner import smaller
from tierchat.workers.crashes import Crashes
from tierchat.workers.protocol import ModelInfo
from tierchat.workers.starter import Started, Starter
from tierchat.workers.status import WorkerState, WorkerStatus
from tierchat.workers.worker import Worker, WorkerDied


@dataclass(eq=False)
class Seat:
    """One model's worker, None while it is not loaded, and what outlives that worker.

    `plan` is set from the moment memory is set aside for the worker until that memory is free
    again. `lock` is held while a worker is started or ended.
    """

    spec: ModelSpec
    worker: Worker | None = None
    info: ModelInfo | None = None
    plan: ModelPlan | None = None
    stamp: ModelStamp | None = None
    notice: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    crashes: Crashes = field(default_factory=Crashes)
    num_active: int = 0
    last_used_s: float = 0.0
    was_out_of_memory: bool = False
    # The start of a worker, and the end of one that is being unloaded.
    starting: asyncio.Future[Started] | None = None
    leaving: asyncio.Task[None] | None = None

    @property
    def live_worker(self) -> Worker | None:
        return self.worker if self.worker and self.worker.is_alive else None

    @property
    def is_coming(self) -> bool:
        """Whether a worker is being started, or waits to be."""
        return self.lock.locked() and self.live_worker is None and self.leaving is None

    @property
    def has_memory(self) -> bool:
        """Whether a worker lives, comes or goes; the memory of a dead worker is free."""
        is_used = self.live_worker is not None or self.lock.locked() or self.leaving is not None
        return self.plan is not None and is_used

    @property
    def is_overwritten(self) -> bool:
        """Whether a loaded file was written to since: its weights may be anything by now."""
        return self.stamp is not None and self.stamp.is_overwritten

    async def start(self, model: str, starter: Starter) -> None:
        """Start a worker as planned; raises what the starter raises. The lock must be held.

        `stop_starting` cancels it.
        """
        self.starting = asyncio.ensure_future(
            starter.start(
                model, self.spec, self.crashes, self.plan, is_smaller=self.was_out_of_memory
            )
        )
        try:
            started = await self.starting
        finally:
            self.starting = None
        self.worker, self.stamp, self.info = started.worker, started.stamp, started.worker.info
        self.notice = self.notice or started.notice
        self.last_used_s = time.monotonic()

    def stop_starting(self) -> None:
        """Cancel the start of a worker, if one is under way; its child ends with it."""
        if self.starting:
            self.starting.cancel()

    async def drop(self) -> None:
        """End the worker if there is one, and wait for one that is ending. Hold the lock."""
        if self.worker:
            # Cleared first, so that requests which still run do not count this end as a crash.
            worker, self.worker = self.worker, None
            await self._end(worker)
        elif self.leaving:
            await asyncio.wait([self.leaving])

    async def unload(self) -> bool:
        """End an idle worker; False if there is none or it is busy."""
        async with self.lock:
            # A prompt may have come while the lock was waited for.
            if not self.worker or self.num_active:
                return False
            worker, self.worker = self.worker, None
            await self._end(worker)
            return True

    async def _end(self, worker: Worker) -> None:
        self.leaving = asyncio.create_task(worker.stop())
        self.leaving.add_done_callback(self._is_gone)
        # The end goes on if this call is cancelled: a frozen child has to be killed.
        await asyncio.shield(self.leaving)

    def _is_gone(self, _end: asyncio.Task[None]) -> None:
        self.leaving = self.plan = None

    async def bury(self, worker: Worker, error: WorkerDied) -> None:
        """Clear the seat of a worker that died; every one of its requests may call this."""
        if self.worker is not worker:
            return
        plan, self.worker, self.plan = self.plan, None, None
        if error.is_out_of_memory and not self.was_out_of_memory:
            # Not a fault of the model: the next worker is given less.
            self.was_out_of_memory = True
            can_shrink = plan is not None and smaller(self.spec, plan.setting) is not None
            what_now = " and is loaded smaller from now on" if can_shrink else ""
            self.notice = f"{worker.order.name} ran out of memory{what_now}"
        else:
            self.crashes.record(error.message)
        await worker.stop()

    def measured(self) -> ModelPlan | None:
        """Return the plan with the RAM that the worker really takes, if that is less."""
        used = resident_bytes(self.worker.pid) if self.worker else None
        if self.plan is None or used is None:
            return self.plan
        return replace(self.plan, ram_bytes=min(used, self.plan.ram_bytes))

    def status(self, model: str, expires_in_s: float | None) -> WorkerStatus:
        """Describe the seat for `ps`; the tiers that use the model are left out."""
        worker, info = self.live_worker, self.info
        plan = self.plan if self.has_memory else None
        return WorkerStatus(
            model=model,
            tiers=(),
            state=self._state,
            pid=worker.pid if worker else None,
            rss_bytes=resident_bytes(worker.pid) if worker else None,
            size_bytes=info.size_bytes if info else None,
            context=info.context if info else None,
            num_active=self.num_active,
            num_crashes=len(self.crashes),
            expires_in_s=expires_in_s if worker else None,
            is_gpu_offloaded=bool(worker and info and info.is_gpu_offloaded),
            gpu_bytes=info.gpu_bytes if worker and info else None,
            planned_ram_bytes=plan.ram_bytes if plan else None,
            planned_gpu_bytes=sum(plan.gpu_bytes) if plan else None,
            reason=self.crashes.quarantine_reason,
        )

    @property
    def _state(self) -> WorkerState:
        if self.live_worker:
            return "busy" if self.num_active else "ready"
        if self.crashes.quarantine_reason:
            return "quarantined"
        return "loading" if self.lock.locked() else "stopped"
