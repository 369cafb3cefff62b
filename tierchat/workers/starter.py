"""The start of a worker: file checks, one more try after a crash, one smaller try for memory.

Does not know which models stay loaded, or what prompts are.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from tierchat.config.catalogue import ModelSpec
from tierchat.config.chat_formats import read_format
from tierchat.errors import DoesNotFit, ModelCorrupt, ModelMissing
from tierchat.models.file_stamp import ModelStamp
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.models.on_disk import absent_files
from tierchat.models.placement.model_plan import ModelPlan
from tierchat.models.placement.planner import smaller
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import shown
from tierchat.workers.crashes import Crashes, log
from tierchat.workers.protocol import LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.worker import Worker, WorkerDied

_FAULTS = {signal.SIGILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE}
_TRAPS = (
    "llama.cpp as it is built here traps in some of its kernels, so workers do without them from "
    "now on; `tierchat doctor` says how to build it right, which can be four times as fast"
)
Launch = Callable[[LoadModel], Awaitable[Worker]]


@dataclass(frozen=True)
class Started:
    """A live worker, the stamp of its files, and what a person should know of how it was loaded."""

    worker: Worker
    stamp: ModelStamp
    notice: str = ""


class Starter:
    """Turns a model into a live worker: for the daemon, `add`, `train` and `eval` alike."""

    def __init__(
        self,
        files: VerifiedFiles,
        quirks: MachineQuirks,
        *,
        num_threads: int = 0,
        launch: Launch = Worker.start,
        headers: CheckedHeaders | None = None,
    ) -> None:
        self._files = files
        self._headers = headers or CheckedHeaders()
        self._quirks = quirks
        self._num_threads = num_threads
        self._launch = launch
        # Files that trapped with the extra buffer types and have not started without them yet.
        self._suspects: set[str] = set()
        # Known even where the quirk cannot be written down.
        self._has_trap = False
        self._machine_notice = ""

    async def start(
        self,
        model: str,
        spec: ModelSpec,
        crashes: Crashes,
        plan: ModelPlan | None = None,
        *,
        is_smaller: bool = False,
    ) -> Started:
        """Check the files, then start a worker as planned.

        A worker that dies is started once more; one that runs out of memory, once with a smaller
        setting. `is_smaller` begins with that setting. Raises ModelMissing, ModelCorrupt,
        DoesNotFit, EngineCrashed, ...
        """
        if spec.repo and (absent := absent_files(spec)):
            parts = f": {len(absent)} of its {len(spec.files)} parts are missing"
            how = parts if len(absent) < len(spec.files) else ""
            hint = f"run: tierchat pull {model}"
            raise ModelMissing(f"{model} is not on this machine yet{how}", hint)
        # Before the checks, so that a write during them is noticed later.
        stamp = ModelStamp.of(spec.paths)
        await asyncio.to_thread(self._files.check_all, spec.files)
        await asyncio.to_thread(self._headers.check, Path(spec.file))
        load = self._as_planned(model, spec, plan)
        less = _smaller(load, spec, plan)
        if is_smaller and less:
            return await self._start(less, stamp, crashes)
        try:
            return await self._start(load, stamp, crashes)
        except DoesNotFit as error:
            if less is None:
                raise
            log.warning("%s", error.message)
        started = await self._start(less, stamp, crashes)
        notice = (
            f"{model} ran out of memory and was loaded smaller: "
            f"context {less.context}, {less.kv_type} cache"
        )
        return replace(started, notice=notice)

    def take_machine_notice(self) -> str:
        """Return once what a person should know of this machine, whichever model showed it."""
        notice, self._machine_notice = self._machine_notice, ""
        return notice

    def _as_planned(self, model: str, spec: ModelSpec, plan: ModelPlan | None) -> LoadModel:
        load = LoadModel(
            name=model,
            path=shown(Path(spec.file)),
            raw_path=os.fsencode(spec.file),
            context=spec.context,
            max_sequences=spec.max_sequences,
            gpu_layers=spec.gpu_layers,
            kv_type=spec.kv_type,
            num_threads=self._num_threads,
        )
        chat_format = read_format(spec.template)
        if chat_format:
            load = msgspec.structs.replace(load, template=chat_format.source, stop=chat_format.stop)
        if plan is None:
            return load
        return msgspec.structs.replace(
            load,
            context=plan.setting.context,
            max_sequences=plan.setting.max_sequences,
            gpu_layers=plan.setting.gpu_layers,
            kv_type=plan.setting.kv_type,
            gpu_shares=plan.shares,
            num_threads=self._num_threads or plan.num_threads,
        )

    async def _start(self, load: LoadModel, stamp: ModelStamp, crashes: Crashes) -> Started:
        """Start a worker, and once more if it dies; raises DoesNotFit where memory ran out."""
        has_extra_buffers = self._uses_extra_buffer_types(load)
        load = msgspec.structs.replace(load, use_extra_buffer_types=has_extra_buffers)
        try:
            return self._started(await self._launched(load), stamp, load)
        except WorkerDied as error:
            died = error
        is_fault = died.signal_number in _FAULTS
        # A fault at the first decode is how the kernels behind the extra buffer types trap.
        is_trap = is_fault and died.is_first_decode and has_extra_buffers
        if is_trap:
            # Not a crash of the model, if it starts without them.
            log.warning("%s", died.message)
            self._suspects.add(load.path)
        else:
            crashes.record(died.message)
        if is_fault and not died.is_first_decode:
            # The same bytes would end the next child in the same way.
            raise ModelCorrupt(
                f"{load.path} cannot be loaded: {died.message}",
                "the file is damaged or not a model; fetch it again",
            ) from died
        if crashes.quarantine_reason:
            raise died
        has_extra_buffers = self._uses_extra_buffer_types(load)
        again = msgspec.structs.replace(load, use_extra_buffer_types=has_extra_buffers)
        try:
            return self._started(await self._launched(again), stamp, again)
        except WorkerDied as error:
            self._suspects.discard(load.path)
            crashes.record(error.message)
            raise

    def _uses_extra_buffer_types(self, load: LoadModel) -> bool:
        is_known = self._has_trap or not self._quirks.uses_extra_buffer_types
        return not is_known and load.path not in self._suspects

    def _started(self, worker: Worker, stamp: ModelStamp, load: LoadModel) -> Started:
        if load.path in self._suspects:
            # What trapped with the extra buffer types works without them.
            self._suspects.clear()
            self._quirks.forbid_extra_buffer_types()
            if not self._has_trap:
                log.warning("%s", _TRAPS)
                self._has_trap, self._machine_notice = True, _TRAPS
        return Started(worker, stamp)

    async def _launched(self, load: LoadModel) -> Worker:
        try:
            return await self._launch(load)
        except WorkerDied as error:
            if not error.is_out_of_memory:
                raise
            raise DoesNotFit(error.message, "unload another model, or use a smaller one") from error


def _smaller(load: LoadModel, spec: ModelSpec, plan: ModelPlan | None) -> LoadModel | None:
    setting = smaller(spec, plan.setting) if plan else None
    if setting is None:
        return None
    return msgspec.structs.replace(load, context=setting.context, kv_type=setting.kv_type)
