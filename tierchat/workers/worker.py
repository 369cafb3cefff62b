"""A child process that holds one model, seen from its parent's event loop.

Does not know tiers, restarts or llama.cpp: it starts one child, sends it requests, and says how
it died.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from tierchat.errors import EngineCrashed, TierchatError, error_from_code, says_out_of_memory
from tierchat.models.placement.hardware import num_oom_kills
from tierchat.workers.protocol import (
    Cancel,
    Delta,
    Escalated,
    Failed,
    Finished,
    FrameReader,
    FromWorker,
    Loaded,
    LoadFailed,
    LoadModel,
    LoadProgress,
    ModelInfo,
    RequestEvent,
    RequestOrder,
    SetThreads,
    ToWorker,
    encode,
)
from tierchat.workers.text_orders import TextResult

_Event = TypeVar("_Event")
CHILD_ARGV = (sys.executable, "-m", "tierchat.workers.child.process")
_READ_BYTES = 1 << 16
_KILL_GRACE_S = 1.0
_STDERR_TAIL_BYTES = 600

# How long a thread of GNU OpenMP spins at a barrier before it sleeps: about 50 µs instead of 14 ms.
# Two threads on one core lose that at every operation. Measured on SmolLM2 and 2 cores: as fast as
# without where nothing else runs, 34 instead of 0.3 tokens/s where both threads have one core.
_SPIN_COUNT = "1000"
# Whoever sets these knows better.
_SPINNING = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}


@dataclass(frozen=True)
class Deadlines:
    """The longest silence of a child that is allowed at each stage, in seconds."""

    load_s: float = 60.0
    prefill_s: float = 120.0
    token_s: float = 60.0


class WorkerDied(EngineCrashed):
    """The child is gone; `signal_number` is the signal that killed it, if one did.

    `is_first_decode`: the weights were read and the very first decode killed the child.
    `is_out_of_memory`: the machine or a GPU ran out of memory.
    """

    def __init__(
        self,
        message: str,
        *,
        signal_number: int | None = None,
        is_first_decode: bool = False,
        is_out_of_memory: bool = False,
    ) -> None:
        super().__init__(message, "ask again: a new worker is started for the next prompt")
        self.signal_number = signal_number
        self.is_first_decode = is_first_decode
        self.is_out_of_memory = is_out_of_memory


class Worker:
    """One live child. All methods belong to the event loop that started it."""

    def __init__(
        self, order: LoadModel, process: asyncio.subprocess.Process, deadlines: Deadlines
    ) -> None:
        self.order = order
        self.info: ModelInfo | None = None
        self._process = process
        self._deadlines = deadlines
        self._writer: asyncio.StreamWriter | None = None
        self._next_id = 0
        self._inboxes: dict[int, asyncio.Queue[RequestEvent | None]] = {}
        self._loading: asyncio.Queue[LoadProgress | Loaded | LoadFailed | None] = asyncio.Queue()
        self._is_warming_up = False
        self._max_threads = 0
        self._stall = ""
        self._num_oom_kills = num_oom_kills()
        self._stderr_tail = b""
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls,
        order: LoadModel,
        deadlines: Deadlines | None = None,
        command: Sequence[str] = CHILD_ARGV,
    ) -> Worker:
        """Spawn a child and wait until its model is loaded and has decoded once.

        Raises what the child reported (ModelMissing, ModelCorrupt, ...) or WorkerDied.
        """
        ours, theirs = socket.socketpair()
        # The caller may be cancelled at any moment; nothing of the child may be left then.
        async with contextlib.AsyncExitStack() as undo:
            undo.callback(ours.close)
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    str(theirs.fileno()),
                    str(os.getpid()),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    env=_environment(os.environ),
                )
            worker = cls(order, process, deadlines or Deadlines())
            undo.push_async_callback(worker.stop)
            reader, worker._writer = await asyncio.open_connection(sock=ours)
            worker._tasks = [
                asyncio.create_task(worker._read(reader)),
                asyncio.create_task(worker._read_stderr()),
            ]
            await worker._load()
            undo.pop_all()
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._tasks[0].done()

    @property
    def num_active(self) -> int:
        return len(self._inboxes)

    def set_threads(self, num_threads: int) -> None:
        """Let the child use at most so many threads from its next decode on."""
        if num_threads != self._max_threads:
            self._max_threads = num_threads
            self._send(SetThreads(num_threads=num_threads))

    async def generate(self, order: RequestOrder) -> AsyncGenerator[RequestEvent, None]:
        """Send one request, under an id of its own, and yield its events.

        Closing the iterator early cancels the request. Raises WorkerDied when the child dies
        or is silent for too long, in which case it is killed.
        """
        if not self.is_alive:
            raise await self._death()
        self._next_id += 1
        order = msgspec.structs.replace(order, id=self._next_id)
        inbox = self._inboxes[order.id] = asyncio.Queue()
        is_over = False
        silence_s = self._deadlines.prefill_s
        try:
            self._send(order)
            while not is_over:
                event: RequestEvent = await self._next(inbox.get(), silence_s)
                is_over = isinstance(event, Escalated | Finished | Failed | TextResult)
                if isinstance(event, Delta):
                    silence_s = self._deadlines.token_s
                yield event
        finally:
            del self._inboxes[order.id]
            if not is_over and self.is_alive:
                self._send(Cancel(id=order.id, at_once=order.is_background))

    async def stop(self) -> None:
        """End the child and wait for it; its memory is free when this returns."""
        if self._writer:
            # The child ends by itself when its socket closes; a busy or frozen one is killed.
            self._writer.close()
        try:
            async with asyncio.timeout(_KILL_GRACE_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Kill the child at once, even a stopped one."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _send(self, frame: ToWorker) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(encode(frame))

    async def _load(self) -> None:
        self._send(self.order)
        while self.info is None:
            event = await self._next(self._loading.get(), self._deadlines.load_s)
            match event:
                case LoadProgress(share=share):
                    self._is_warming_up = share >= 1
                case Loaded(info=info):
                    self.info, self._max_threads = info, info.num_threads
                case LoadFailed(code=code, message=message, hint=hint):
                    raise error_from_code(code, message, hint)

    async def _next(self, arrival: Awaitable[_Event | None], silence_s: float) -> _Event:
        try:
            # Not asyncio.wait_for: until Python 3.12 it may drop a cancellation for an event.
            async with asyncio.timeout(silence_s):
                event = await arrival
        except TimeoutError:
            self._stall = f"made no progress for {silence_s:g} s and was killed"
            self.kill()
            event = None
        if event is None:
            raise await self._death()
        return event

    async def _death(self) -> WorkerDied:
        """Describe the death of the child, which has closed its socket: it is dead or dying."""
        try:
            async with asyncio.timeout(_KILL_GRACE_S):
                code = await self._process.wait()
        except TimeoutError:
            self.kill()
            code = await self._process.wait()
        await asyncio.wait(self._tasks[1:], timeout=_KILL_GRACE_S)
        how = self._stall or _describe_exit(code)
        stage = "" if self.info else " at its first decode" if self._is_warming_up else " loading"
        said = self._stderr_tail.decode(errors="replace").strip()
        # Linux kills the process that took the last memory, and counts such kills.
        was_killed = code == -signal.SIGKILL and num_oom_kills() > self._num_oom_kills
        last = f": {said}"
        return WorkerDied(
            f"the worker of {self.order.name} {how}{stage}{last.rstrip(': ')}",
            signal_number=-code if code < 0 else None,
            is_first_decode=self.info is None and self._is_warming_up,
            is_out_of_memory=was_killed or says_out_of_memory(said),
        )

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader(FromWorker)
        try:
            while data := await reader.read(_READ_BYTES):
                for frame in frames.feed(data):
                    self._dispatch(frame)
        except ConnectionError:
            pass  # The child died with our frames unread; its exit code says how.
        except (OSError, TierchatError, ValueError) as error:
            self._stall = self._stall or f"broke the protocol ({error}) and was killed"
            self.kill()
        self._loading.put_nowait(None)
        for inbox in self._inboxes.values():
            inbox.put_nowait(None)

    def _dispatch(self, frame: object) -> None:
        if isinstance(frame, LoadProgress | Loaded | LoadFailed):
            self._loading.put_nowait(frame)
        elif isinstance(frame, RequestEvent):
            # Frames of a request that was cancelled in the meantime are dropped.
            inbox = self._inboxes.get(frame.id)
            if inbox:
                inbox.put_nowait(frame)

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_READ_BYTES):
            self._stderr_tail = (self._stderr_tail + data)[-_STDERR_TAIL_BYTES:]


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child."""
    # An abort in ggml would otherwise attach a debugger to itself.
    child = {**ours, "GGML_NO_BACKTRACE": "1"}
    if not ours.keys() & _SPINNING:
        child["GOMP_SPINCOUNT"] = _SPIN_COUNT
    return child


def _describe_exit(code: int) -> str:
    if code < 0:
        try:
            return f"died of {signal.Signals(-code).name}"
        except ValueError:
            return f"died of signal {-code}"
    return f"ended with exit code {code}"
