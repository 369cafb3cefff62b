"""Workers of another process, asked over a socket as if they were our own.

The borrower's side of `lending.py`. Does not know when the lender pauses: an answer then takes
longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tierchat.errors import EngineCrashed, error_from_code
from tierchat.workers.lending import Borrow, Lent
from tierchat.workers.protocol import FrameReader, Generate, ModelInfo, RequestEvent, pack

_READ_BYTES = 1 << 16


class BorrowedModels:
    """The lender's models by name. One event loop owns it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._replies: dict[int, asyncio.Future[Lent]] = {}
        self._infos: dict[str, ModelInfo] = {}
        self._next_id = 0
        self._is_gone = False
        self._reading = asyncio.create_task(self._read())

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        """Yield the events of a request once it is over; raises what the lender reports."""
        for event in (await self._ask(model, order)).events:
            yield event

    async def load(self, model: str) -> object:
        """Let the lender load a model, so that `info` is known; raises what the lender reports."""
        lent = await self._ask(model, None)
        if lent.info:
            self._infos[model] = lent.info
        return lent.info

    def info(self, model: str) -> ModelInfo | None:
        """Return what a loaded model is."""
        return self._infos.get(model)

    async def close(self) -> None:
        """Leave the lender."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()

    async def _ask(self, model: str, order: Generate | None) -> Lent:
        if self._is_gone:
            raise _gone()
        id = self._next_id = self._next_id + 1
        reply: asyncio.Future[Lent] = asyncio.get_running_loop().create_future()
        self._replies[id] = reply
        try:
            self._writer.write(pack(Borrow(id=id, model=model, order=order)))
            lent = await reply
        finally:
            del self._replies[id]
        if lent.code:
            raise error_from_code(lent.code, lent.message, lent.hint)
        return lent

    async def _read(self) -> None:
        frames = FrameReader(Lent)
        try:
            while data := await self._reader.read(_READ_BYTES):
                for frame in frames.feed(data):
                    assert isinstance(frame, Lent)
                    reply = self._replies.get(frame.id)
                    if reply and not reply.done():
                        reply.set_result(frame)
        except ConnectionError:
            pass
        self._is_gone = True
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(_gone())


def _gone() -> EngineCrashed:
    return EngineCrashed("the daemon has ended", "the lesson goes on with the next daemon")
