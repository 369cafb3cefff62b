"""The workers of a daemon: one child per model, loaded when needed, restarted when it dies.

Does not know tiers or prompts' meaning; cascades ask it for models by name.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tierchat.config import ModelSpec
from tierchat.errors import EngineCrashed, ModelCorrupt, TierchatError, UsageError
from tierchat.model_files import VerifiedFiles, write_quietly
from tierchat.protocol import Generate, LoadModel, RequestEvent
from tierchat.types import ModelInfo, WorkerState, WorkerStatus
from tierchat.worker import Worker, WorkerDied

_MAX_CRASHES = 3
_CRASH_WINDOW_S = 300.0
_PAGE_BYTES = 4096
_FAULTS = {signal.SIGILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE}
_log = logging.getLogger(__name__)
Launch = Callable[[LoadModel], Awaitable[Worker]]


@dataclass
class _Place:
    """Where one model's worker lives; None while it is not loaded."""

    spec: ModelSpec
    worker: Worker | None = None
    info: ModelInfo | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    crashes: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_MAX_CRASHES))
    num_active: int = 0
    expires_s: float | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def quarantine_reason(self) -> str:
        """Why the model may not be started, or nothing."""
        if len(self.crashes) < _MAX_CRASHES:
            return ""
        if time.monotonic() - self.crashes[0][0] > _CRASH_WINDOW_S:
            return ""
        return f"{_MAX_CRASHES} crashes within 5 minutes; the last: {self.crashes[-1][1]}"


class MachineMemory:
    """What this machine taught us, in a small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def uses_extra_buffer_types(self) -> bool:
        """False once a worker has died of llama.cpp's repacked-weights kernels here."""
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=dict[str, bool])
        except (OSError, ValueError):
            return True
        return known.get("uses_extra_buffer_types", True)

    def forbid_extra_buffer_types(self) -> None:
        """Remember the choice for every later start."""
        write_quietly(self._path, msgspec.json.encode({"uses_extra_buffer_types": False}))


class Pool:
    """Owns every worker. All methods belong to one event loop."""

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        files: VerifiedFiles,
        machine: MachineMemory,
        *,
        keepalive_s: float,
        num_threads: int = 0,
        launch: Launch = Worker.start,
    ) -> None:
        self._places = {name: _Place(spec) for name, spec in models.items()}
        self._files = files
        self._machine = machine
        self._keepalive_s = keepalive_s
        self._num_threads = num_threads
        self._launch = launch
        self._unloads: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def is_loaded(self, model: str) -> bool:
        """Tell whether a prompt for this model starts at once."""
        worker = self._place(model).worker
        return worker is not None and worker.is_alive

    def info(self, model: str) -> ModelInfo | None:
        """Return what the model's worker last reported, or None if it was never loaded."""
        return self._place(model).info

    async def load(self, model: str) -> Worker:
        """Return the model's live worker, starting it if needed.

        Raises ModelMissing, ModelCorrupt, EngineCrashed (quarantined, or died loading), ...
        """
        place = self._place(model)
        async with place.lock:
            if place.worker and place.worker.is_alive:
                return place.worker
            if place.worker:
                await place.worker.stop()
                place.worker = None
            if place.quarantine_reason:
                raise EngineCrashed(
                    f"{model} is not started any more: {place.quarantine_reason}",
                    f"check {place.spec.file}, then `tierchat daemon down`",
                )
            place.worker = await self._start(model, place)
            place.info = place.worker.info
            return place.worker

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
            if not place.num_active:
                self._expire_later(model, place, self._keepalive_s)

    def keep(self, models: Iterable[str], keepalive_s: float | None) -> None:
        """Let idle models stay for so long from now: seconds, negative for ever, 0 not at all.

        None is the pool's own choice.
        """
        chosen_s = self._keepalive_s if keepalive_s is None else keepalive_s
        for model in models:
            place = self._place(model)
            if place.worker and not place.num_active:
                self._expire_later(model, place, chosen_s)

    def status(self) -> tuple[WorkerStatus, ...]:
        """Describe every model; `tiers` is left to who knows cascades."""
        return tuple(self._describe(name, place) for name, place in self._places.items())

    async def close(self) -> None:
        """End every child."""
        self._is_closed = True
        for place in self._places.values():
            self._forget_timer(place)
        workers = [place.worker for place in self._places.values() if place.worker]
        await asyncio.gather(*(w.stop() for w in workers), *self._unloads)

    def _place(self, model: str) -> _Place:
        if model not in self._places:
            raise UsageError(f"no model named {model!r}; known: {', '.join(self._places)}")
        return self._places[model]

    async def _start(self, model: str, place: _Place) -> Worker:
        if self._is_closed:
            raise EngineCrashed("the daemon is stopping")
        spec = place.spec
        await asyncio.to_thread(self._files.check, Path(spec.file), spec.sha256)
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
        try:
            return await self._launch(order)
        except WorkerDied as error:
            self._record_crash(place, error)
            died = error
        if died.signal_number in _FAULTS and not died.is_first_decode:
            # The same bytes would end the next child the same way.
            raise ModelCorrupt(
                f"{spec.file} cannot be loaded: {died.message}",
                "the file is damaged or not a model; fetch it again",
            ) from died
        if place.quarantine_reason:
            raise died
        # One restart. A fault at the first decode is how AMX kernels end on virtual machines
        # that lack them, so the restart goes without repacked weights.
        careful = msgspec.structs.replace(
            order,
            use_extra_buffer_types=order.use_extra_buffer_types
            and died.signal_number not in _FAULTS,
        )
        return await self._restart(place, order, careful)

    async def _restart(self, place: _Place, before: LoadModel, order: LoadModel) -> Worker:
        try:
            worker = await self._launch(order)
        except WorkerDied as error:
            self._record_crash(place, error)
            raise
        if before.use_extra_buffer_types != order.use_extra_buffer_types:
            self._machine.forbid_extra_buffer_types()
        return worker

    async def _bury(self, place: _Place, worker: Worker, error: WorkerDied) -> None:
        # Every request of a dead worker comes here; the first one clears the place.
        if place.worker is worker:
            place.worker = None
            self._record_crash(place, error)
            await worker.stop()

    def _record_crash(self, place: _Place, error: TierchatError) -> None:
        place.crashes.append((time.monotonic(), error.message))
        _log.warning("%s", error.message)

    def _expire_later(self, model: str, place: _Place, keepalive_s: float) -> None:
        self._forget_timer(place)
        if keepalive_s < 0 or self._is_closed:
            return
        place.expires_s = time.monotonic() + keepalive_s
        loop = asyncio.get_running_loop()
        place.timer = loop.call_later(keepalive_s, self._unload_soon, model)

    def _forget_timer(self, place: _Place) -> None:
        if place.timer:
            place.timer.cancel()
        place.timer = place.expires_s = None

    def _unload_soon(self, model: str) -> None:
        task = asyncio.create_task(self._unload(self._places[model]))
        self._unloads.add(task)
        task.add_done_callback(self._unloads.discard)

    async def _unload(self, place: _Place) -> None:
        async with place.lock:
            # A prompt may have come while the lock was waited for.
            if place.worker and not place.num_active:
                worker, place.worker = place.worker, None
                await worker.stop()

    def _describe(self, name: str, place: _Place) -> WorkerStatus:
        worker = place.worker if place.worker and place.worker.is_alive else None
        expires_in_s = None
        if worker and place.expires_s is not None:
            expires_in_s = max(0.0, place.expires_s - time.monotonic())
        reason = place.quarantine_reason
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
            reason=reason,
        )


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process, or None where /proc does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None
