"""One answer on its way to one client, whole or streamed.

Does not know routes.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tierchat import __version__
from tierchat.errors import EngineCrashed, Overloaded, TierchatError
from tierchat.events import AnswerDelta, CascadeEvent, Done, ThoughtDelta, ToolCallDelta
from tierchat.service.openai_format import VERSION_HEADER
from tierchat.service.openai_replies import as_json, chunk, completion, error_body, first_chunk

JSON_TYPE = "application/json"
# With these an answer has begun, so that its status is known.
_BEGINNINGS = (AnswerDelta, ToolCallDelta, ThoughtDelta, Done)


@dataclass(frozen=True)
class Limits:
    """Bounds of the service; seconds and bytes."""

    max_body_bytes: int = 16 * 1024 * 1024
    head_s: float = 10.0
    body_s: float = 30.0
    stall_s: float = 60.0
    keep_alive_s: float = 15.0


class Reply:
    """One answer on its way to one client; either `whole` or `stream` is called, once.

    `report_bug` logs the exception being handled and returns the error that the client sees.
    """

    def __init__(
        self,
        events: AsyncGenerator[CascadeEvent, None],
        limits: Limits,
        report_bug: Callable[[], TierchatError],
    ) -> None:
        self._events = events
        self._limits = limits
        self._report_bug = report_bug
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    async def whole(self, request: Request) -> Response:
        """Answer in one piece; raises ClientDisconnect, with the work cancelled."""
        work = asyncio.create_task(self._outcome())
        gone = asyncio.create_task(_until_gone(request.receive))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))
            raise ClientDisconnect
        return work.result()

    async def _outcome(self) -> Response:
        async with contextlib.aclosing(self._events) as events:
            async for event in events:
                if isinstance(event, Done):
                    return json_response(completion(self._id, self._created, event.outcome))
        raise _without_outcome()

    def stream(self, *, is_live: bool = False) -> _Stream:
        """Answer as server-sent events.

        Errors that come before any text have their own status, over several tiers, too: what
        comes before the text waits for it, unless `is_live`.
        """
        return _Stream(self._lines(is_live), self._limits)

    async def _lines(self, is_live: bool) -> AsyncGenerator[bytes | TierchatError, None]:
        waiting = [_line(first_chunk(self._id, self._created))]
        try:
            async with contextlib.aclosing(self._events) as events:
                async for event in events:
                    waiting.append(_line(chunk(self._id, self._created, event)))
                    is_live = is_live or isinstance(event, _BEGINNINGS)
                    while is_live and waiting:
                        yield waiting.pop(0)
                    if isinstance(event, Done):
                        yield b"data: [DONE]\n\n"
                        return
            raise _without_outcome()
        except TierchatError as error:
            yield error
        except Exception:
            yield self._report_bug()


class _Stream:
    """An ASGI response of server-sent lines; it ends the work when the client leaves.

    A comment line is sent when no line comes for `keep_alive_s`. An error that is the first line
    becomes an ordinary error response with its own status.
    """

    def __init__(self, lines: AsyncGenerator[bytes | TierchatError, None], limits: Limits) -> None:
        self._lines = lines
        self._limits = limits
        self._queue: asyncio.Queue[bytes | TierchatError | None] = asyncio.Queue(64)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._write(scope, receive, send))
        gone = asyncio.create_task(_until_gone(receive))
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
                await error_response(line)(scope, receive, send)
                return
            headers = [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (VERSION_HEADER.encode(), __version__.encode()),
            ]
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
            line = _line(error_body(line))
        # `send` returns once the transport takes more: a reader that stalls is dropped.
        async with asyncio.timeout(self._limits.stall_s):
            await send({"type": "http.response.body", "body": line, "more_body": True})


def _without_outcome() -> EngineCrashed:
    return EngineCrashed("the answer ended without an outcome")


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _line(value: Any) -> bytes:
    return b"data: " + as_json(value) + b"\n\n"


def json_response(value: Any, status: int = 200) -> Response:
    return Response(as_json(value), status, media_type=JSON_TYPE)


def error_response(error: TierchatError) -> Response:
    """Return an error in OpenAI's shape, with its own status."""
    response = json_response(error_body(error), error.http_status)
    if isinstance(error, Overloaded):
        response.headers["retry-after"] = str(error.retry_after_s)
    return response
