"""Starts a worker for a model: file checks, one careful restart, one smaller try.

Does not know which models stay loaded, or what prompts are.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tierchat.config.catalogue import ModelSpec
from tierchat.errors import DoesNotFit, ModelCorrupt, ModelMissing
from tierchat.models.file_stamp import FileStamp
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.models.placement.planner import ModelPlan, smaller
from tierchat.models.verified_files import VerifiedFiles
from tierchat.workers.crashes import Crashes, _log
from tierchat.workers.protocol import LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.worker import Worker, WorkerDied

_FAULTS = {signal.SIGILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE}
Launch = Callable[[LoadModel], Awaitable[Worker]]


@dataclass(frozen=True)
class Started:
    """A live worker, how its file looked, and what a person should know of how it was loaded."""

    worker: Worker
    stamp: FileStamp | None
    notice: str = ""


class Starter:
    """Turns a model into a live worker."""

    def __init__(
        self,
        files: VerifiedFiles,
        machine: MachineQuirks,
        *,
        num_threads: int = 0,
        launch: Launch = Worker.start,
    ) -> None:
        self._files = files
        self._headers = CheckedHeaders()
        self._machine = machine
        self._num_threads = num_threads
        self._launch = launch

    async def start(
        self,
        model: str,
        spec: ModelSpec,
        crashes: Crashes,
        plan: ModelPlan | None = None,
        *,
        is_smaller: bool = False,
    ) -> Started:
        """Start a worker as planned; out of memory is met by one try with a smaller setting.

        `is_smaller` begins with that one. Raises ModelMissing, ModelCorrupt, DoesNotFit,
        EngineCrashed, ...
        """
        path = Path(spec.file)
        if spec.repo and not path.is_file():
            raise ModelMissing(f"{model} is not on this machine yet", f"run: tierchat pull {model}")
        # Before the checks, so that what is written meanwhile is noticed later.
        stamp = FileStamp.of(path)
        await asyncio.to_thread(self._files.check, path, spec.sha256)
        await asyncio.to_thread(self._headers.check, path)
        order = self._order(model, spec, plan)
        less = _smaller_order(order, spec, plan)
        if is_smaller and less:
            return Started(await self._start(order=less, spec=spec, crashes=crashes), stamp)
        try:
            return Started(await self._start(order, spec, crashes), stamp)
        except DoesNotFit as error:
            if less is None:
                raise
            _log.warning("%s", error.message)
        worker = await self._start(less, spec, crashes)
        notice = (
            f"{model} ran out of memory and was loaded smaller: "
            f"context {less.context}, {less.kv_type} cache"
        )
        return Started(worker, stamp, notice)

    def _order(self, model: str, spec: ModelSpec, plan: ModelPlan | None) -> LoadModel:
        order = LoadModel(
            name=model,
            path=spec.file,
            context=spec.context,
            max_sequences=spec.max_sequences,
            gpu_layers=spec.gpu_layers,
            kv_type=spec.kv_type,
            num_threads=self._num_threads,
            use_extra_buffer_types=self._machine.uses_extra_buffer_types,
        )
        if plan is None:
            return order
        return msgspec.structs.replace(
            order,
            context=plan.setting.context,
            gpu_layers=plan.setting.gpu_layers,
            kv_type=plan.setting.kv_type,
            gpu_shares=plan.shares,
            num_threads=self._num_threads or plan.num_threads,
        )

    async def _start(self, order: LoadModel, spec: ModelSpec, crashes: Crashes) -> Worker:
        try:
            return await self._launch(order)
        except WorkerDied as error:
            if error.is_out_of_memory:
                raise DoesNotFit(error.message, "unload another model, or use a smaller one") from (
                    error
                )
            crashes.record(error.message)
            died = error
        if died.signal_number in _FAULTS and not died.is_first_decode:
            # The same bytes would end the next child the same way.
            raise ModelCorrupt(
                f"{spec.file} cannot be loaded: {died.message}",
                "the file is damaged or not a model; fetch it again",
            ) from died
        if crashes.quarantine_reason:
            raise died
        # One restart. A fault at the first decode is how AMX kernels end on virtual machines
        # that lack them, so the restart goes without repacked weights.
        careful = msgspec.structs.replace(
            order,
            use_extra_buffer_types=order.use_extra_buffer_types
            and died.signal_number not in _FAULTS,
        )
        return await self._restart(order, careful, crashes)

    async def _restart(self, before: LoadModel, order: LoadModel, crashes: Crashes) -> Worker:
        try:
            worker = await self._launch(order)
        except WorkerDied as error:
            crashes.record(error.message)
            raise
        if before.use_extra_buffer_types != order.use_extra_buffer_types:
            self._machine.forbid_extra_buffer_types()
        return worker


def _smaller_order(order: LoadModel, spec: ModelSpec, plan: ModelPlan | None) -> LoadModel | None:
    setting = smaller(spec, plan.setting) if plan else None
    if setting is None:
        return None
    return msgspec.structs.replace(order, context=setting.context, kv_type=setting.kv_type)
