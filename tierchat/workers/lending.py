"""Workers lent to another process: it asks over a socket, and waits whenever someone else asks.

The lender's side. Does not know what the other process asks for, or when to pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Protocol

import msgspec

from tierchat.errors import TierchatError
from tierchat.types import Frozen
from tierchat.workers.complete import Generates
from tierchat.workers.protocol import FrameReader, Generate, ModelInfo, RequestEvent, pack

_READ_BYTES = 1 << 16


class Borrow(Frozen, frozen=True, tag="borrow"):
    """Run a request on a model; without an `order` the model is loaded and described."""

    id: int
    model: str
    order: Generate | None = None


class Lent(Frozen, frozen=True, tag="lent"):
    """All that came of a `Borrow`: the events of its request, or what the model is.

    `code` is one of `errors` if it failed.
    """

    id: int
    events: tuple[RequestEvent, ...] = ()
    info: ModelInfo | None = None
    code: str = ""
    message: str = ""
    hint: str = ""


class Models(Generates, Protocol):
    """What is lent, as the pool has it."""

    async def load(self, model: str) -> object: ...
    def info(self, model: str) -> ModelInfo | None: ...


class Lender:
    """Runs what one borrower asks for, a few requests at a time. One event loop owns it.

    A pause ends the requests under way at once; they are run again, from the start, after it.
    """

    def __init__(self, models: Models, num_at_once: int) -> None:
        self._models, self._num_at_once = models, num_at_once
        self._waiting: deque[Borrow] = deque()
        self._running: dict[asyncio.Task[None], Borrow] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._is_paused = self._is_held = False
        self._busy_s, self._busy_since_s = 0.0, 0.0

    @property
    def busy_s(self) -> float:
        """For how many seconds anything has run so far."""
        return self._busy_s + (time.monotonic() - self._busy_since_s if self._running else 0.0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve until the borrower closes its end; raises ValueError when it sends nonsense."""
        self._writer = writer
        frames = FrameReader(Borrow)
        try:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(_READ_BYTES):
                    for frame in frames.feed(data):
                        assert isinstance(frame, Borrow)
                        self._waiting.append(frame)
                    self._start()
        finally:
            self.pause()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._waiting.clear()
            writer.close()

    def pause(self) -> None:
        """End what runs now, and start nothing until `resume`."""
        self._is_paused = True
        for task in self._running:
            task.cancel()

    def resume(self) -> None:
        """Run what waits, what a pause ended first."""
        self._is_paused = False
        self._start()

    def hold(self, *, is_held: bool) -> None:
        """Let what runs now end, but start nothing while held."""
        self._is_held = is_held
        self._start()

    def _start(self) -> None:
        while self._can_start():
            borrow = self._waiting.popleft()
            if not self._running:
                self._busy_since_s = time.monotonic()
            task = asyncio.create_task(self._run(borrow))
            self._running[task] = borrow
            task.add_done_callback(self._ended)

    def _can_start(self) -> bool:
        may = not self._is_paused and not self._is_held and len(self._running) < self._num_at_once
        return may and bool(self._waiting)

    def _ended(self, task: asyncio.Task[None]) -> None:
        borrow = self._running.pop(task)
        if not self._running:
            self._busy_s += time.monotonic() - self._busy_since_s
        if task.cancelled():
            self._waiting.appendleft(borrow)
        elif (bug := task.exception()) and self._writer:
            # The borrower must not wait for ever; the event loop tells of the bug.
            self._writer.close()
            raise bug
        self._start()

    async def _run(self, borrow: Borrow) -> None:
        try:
            self._reply(await self._served(borrow))
        except TierchatError as error:
            code, message, hint = error.code, error.message, error.hint
            self._reply(Lent(id=borrow.id, code=code, message=message, hint=hint))

    async def _served(self, borrow: Borrow) -> Lent:
        if borrow.order is None:
            await self._models.load(borrow.model)
            return Lent(id=borrow.id, info=self._models.info(borrow.model))
        order = msgspec.structs.replace(borrow.order, is_background=True)
        async with contextlib.aclosing(self._models.generate(borrow.model, order)) as events:
            return Lent(id=borrow.id, events=tuple([event async for event in events]))

    def _reply(self, lent: Lent) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(pack(lent))
