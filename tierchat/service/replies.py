"""One answer on its way to one client, whole or streamed.

Does not know routes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tierchat import __version__
from tierchat.errors import EngineCrashed, Overloaded, TierchatError
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    PromptScored,
    ThoughtDelta,
    ToolCallDelta,
)
from tierchat.service.answers import Asked, ChoiceEvent
from tierchat.service.openai_format import TIER_HEADER, VERSION_HEADER
from tierchat.service.openai_replies import as_json, error_body

JSON_TYPE = "application/json"
# With these an answer has begun, so that its status is known.
_BEGINNINGS = (AnswerDelta, ToolCallDelta, ThoughtDelta, PromptScored, Done)
_IN_HEADERS = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"


@dataclass(frozen=True)
class Limits:
    """Bounds of the service; seconds and bytes.

    `max_connections` and `idle_s`, for a connection without a request, hold over TCP.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_connections: int = 256
    idle_s: float = 75.0
    head_s: float = 10.0
    body_s: float = 30.0
    stall_s: float = 60.0
    keep_alive_s: float = 15.0


class Form(Protocol):
    """How an API writes the answers to one request."""

    def see(self, found: ChoiceEvent) -> None:
        """Take note of an event as soon as it is known."""
        ...

    def lines(self, found: ChoiceEvent) -> list[bytes]:
        """Write the lines of a stream for one event, which was seen before."""
        ...

    def end(self) -> list[bytes]:
        """Write the lines that end a stream."""
        ...

    def error(self, error: TierchatError) -> bytes:
        """Write the line of an error in a stream that has begun."""
        ...

    def whole(self) -> Any:
        """Write all answers in one piece, once every event was seen."""
        ...


@dataclass(frozen=True)
class Ask:
    """What one request asks for, in whatever API, and how the answers are written."""

    asked: Asked
    form: Form
    is_stream: bool


class Reply:
    """The answers to one request on their way; either `whole` or `stream` is called, once.

    The request asks for `num_choices` answers, and `form` writes them. `report_bug` logs the
    exception being handled and returns the error that the client sees; `refusal` writes one that
    comes before any answer.
    """

    def __init__(
        self,
        events: AsyncGenerator[ChoiceEvent, None],
        form: Form,
        limits: Limits,
        report_bug: Callable[[], TierchatError],
        num_choices: int = 1,
        refusal: Callable[[TierchatError], Any] = error_body,
    ) -> None:
        self._events = events
        self._form = form
        self._limits = limits
        self._report_bug = report_bug
        self._num_left = num_choices
        self._refusal = refusal
        # The tier that answers, once it has shown itself.
        self._tier = ""

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
            async for found in events:
                if self._is_last(found):
                    response = json_response(self._form.whole())
                    response.headers[TIER_HEADER] = header_text(self._tier)
                    return response
        raise _without_outcome()

    def _is_last(self, found: ChoiceEvent) -> bool:
        self._form.see(found)
        self._tier = _tier_of(found.event) or self._tier
        self._num_left -= isinstance(found.event, Done)
        return self._num_left == 0

    def stream(self, *, is_live: bool = False) -> _Stream:
        """Answer as server-sent events.

        Errors that come before any text have their own status, over several tiers, too: what
        comes before the text waits for it, unless `is_live`.
        """
        lines, form = self._lines(is_live), self._form
        return _Stream(lines, form.error, self._limits, lambda: self._tier, self._refusal)

    async def _lines(self, is_live: bool) -> AsyncGenerator[bytes | TierchatError, None]:
        waiting: list[ChoiceEvent] = []
        try:
            async with contextlib.aclosing(self._events) as events:
                async for found in events:
                    is_last = self._is_last(found)
                    waiting.append(found)
                    is_live = is_live or isinstance(found.event, _BEGINNINGS)
                    while is_live and waiting:
                        for line in self._form.lines(waiting.pop(0)):
                            yield line
                    if is_last:
                        for line in self._form.end():
                            yield line
                        return
            raise _without_outcome()
        except TierchatError as error:
            yield error
        except Exception:
            yield self._report_bug()


def event_stream(
    events: AsyncGenerator[Any, None], limits: Limits, report_bug: Callable[[], TierchatError]
) -> _Stream:
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

    return _Stream(lines(), lambda error: _line(error_body(error)), limits)


class _Stream:
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


def _without_outcome() -> EngineCrashed:
    return EngineCrashed("the answer ended without an outcome")


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def header_text(text: str) -> str:
    """Return text, such as the name of a tier, in the form that headers have: ASCII."""
    return quote(text, safe=_IN_HEADERS)


def _tier_of(event: CascadeEvent) -> str:
    """Return the tier that shows itself in an event, "" if none does."""
    match event:
        case AnswerDelta(tier=tier) | ThoughtDelta(tier=tier) | ToolCallDelta(tier=tier):
            return tier
        case Done(outcome=outcome):
            return outcome.tier or ""
    return ""


def _line(value: Any) -> bytes:
    return b"data: " + as_json(value) + b"\n\n"


def json_response(value: Any, status: int = 200) -> Response:
    return Response(as_json(value), status, media_type=JSON_TYPE)


def error_response(
    error: TierchatError, refusal: Callable[[TierchatError], Any] = error_body
) -> Response:
    """Return an error with its own status, in OpenAI's shape unless another is given."""
    response = json_response(refusal(error), error.http_status)
    if isinstance(error, Overloaded):
        response.headers["retry-after"] = str(error.retry_after_s)
    return response
