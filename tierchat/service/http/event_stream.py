"""Server-sent events on their way to one client, kept alive, ended when the client leaves.

Does not know what the events say.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.types import Receive, Scope, Send

from tierchat import __version__
from tierchat.errors import TierchatError
from tierchat.service.http.json_replies import error_response, header_text
from tierchat.service.http.limits import Limits
from tierchat.service.openai_format import TIER_HEADER, VERSION_HEADER
from tierchat.service.openai_replies import as_json, error_body


class EventStream:
    """An ASGI response of server-sent lines; it ends the work when the client leaves.

    A comment line is sent when no line comes for `keep_alive_s`. An error that is the first line
    becomes an ordinary error response with its own status; `write_error` writes a later one. `tier`
    names the tier that writes, as far as it is known at the first line.
    """

    def __init__(
        self,
        lines: AsyncGenerator[bytes | TierchatError, None],
        write_error: Callable[[TierchatError], bytes],
        limits: Limits,
        tier: Callable[[], str] = lambda: "",
        refusal: Callable[[TierchatError], Any] = error_body,
    ) -> None:
        self._lines = lines
        self._write_error = write_error
        self._limits = limits
        self._tier = tier
        self._refusal = refusal
        self._queue: asyncio.Queue[bytes | TierchatError | None] = asyncio.Queue(64)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._write(scope, receive, send))
        gone = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            results = await asyncio.gather(work, gone, return_exceptions=True)
        if isinstance(results[0], Exception) and not isinstance(results[0], OSError):
            raise results[0]

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        pump = asyncio.create_task(self._pump())
        try:
            # An error that comes before any line has its own status.
            line = await self._next()
            if isinstance(line, TierchatError):
                await error_response(line, self._refusal)(scope, receive, send)
                return
            headers = [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (VERSION_HEADER.encode(), __version__.encode()),
            ]
            if tier := self._tier():
                headers.append((TIER_HEADER.encode(), header_text(tier).encode()))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while line is not None:
                await self._send(send, line)
                line = await self._next()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self) -> None:
        """Move lines to the queue, and None after the last one."""
        async with contextlib.aclosing(self._lines) as lines:
            async for line in lines:
                await self._queue.put(line)
            await self._queue.put(None)

    async def _next(self) -> bytes | TierchatError | None:
        # Not asyncio.wait_for: until Python 3.12 it drops a cancellation that comes together with
        # a line, and the answer would go on for a client that has left.
        try:
            async with asyncio.timeout(self._limits.keep_alive_s):
                return await self._queue.get()
        except TimeoutError:
            return b": keep-alive\n\n"

    async def _send(self, send: Send, line: bytes | TierchatError) -> None:
        if isinstance(line, TierchatError):
            line = self._write_error(line)
        # `send` returns once the transport takes more: a reader that stalls is dropped.
        async with asyncio.timeout(self._limits.stall_s):
            await send({"type": "http.response.body", "body": line, "more_body": True})


def event_stream(
    events: AsyncGenerator[Any, None], limits: Limits, report_bug: Callable[[], TierchatError]
) -> EventStream:
    """Send values as server-sent events, as they come."""

    async def lines() -> AsyncGenerator[bytes | TierchatError, None]:
        try:
            async with contextlib.aclosing(events) as values:
                async for value in values:
                    yield _line(value)
        except TierchatError as error:
            yield error
        except Exception:
            yield report_bug()

    return EventStream(lines(), lambda error: _line(error_body(error)), limits)


async def until_gone(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        continue


def _line(value: Any) -> bytes:
    return b"data: " + as_json(value) + b"\n\n"
