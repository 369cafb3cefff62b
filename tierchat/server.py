"""The HTTP service on the Unix socket: routes, streams, limits, and who may connect.

Does not know how prompts are answered: `Answerer` is the seam.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tierchat import __version__
from tierchat.admission import Admission
from tierchat.conversations.changes import LogChange
from tierchat.errors import EngineCrashed, InvalidRequest, Overloaded, TierchatError
from tierchat.events import CascadeEvent, Done
from tierchat.openai_format import (
    ANY_MODEL,
    VERSION_HEADER,
    ChatRequest,
    chunk,
    completion,
    error_body,
    read_body,
    read_request,
)
from tierchat.service.messages import DaemonStatus, ModelsChange, Residence
from tierchat.types import Prompt

_JSON = "application/json"


class Answerer(Protocol):
    """What the service needs of the floors below."""

    def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]: ...
    def cascades(self) -> dict[str, tuple[str, ...]]: ...
    async def change(self, change: LogChange) -> int: ...


class Keeper(Protocol):
    """Who loads and unloads models when asked to, and reads the settings anew."""

    async def load(self, name: str) -> tuple[Residence, ...]: ...
    async def unload(self, name: str) -> tuple[Residence, ...]: ...
    async def reload(self) -> None: ...


@dataclass(frozen=True)
class Limits:
    """Bounds of the service; seconds and bytes."""

    max_body_bytes: int = 16 * 1024 * 1024
    head_s: float = 10.0
    body_s: float = 30.0
    stall_s: float = 60.0
    keep_alive_s: float = 15.0


class Service:
    """The routes. `status` describes the daemon, `stop` asks it to end."""

    def __init__(
        self,
        answerer: Answerer,
        keeper: Keeper,
        admission: Admission,
        status: Callable[[], DaemonStatus],
        stop: Callable[[], None],
        log: Path,
        limits: Limits | None = None,
    ) -> None:
        self._answerer = answerer
        self._keeper = keeper
        self._admission = admission
        self._status = status
        self._stop = stop
        self._log = log
        self._limits = limits or Limits()

    def app(self) -> Starlette:
        """Build the application."""
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._guarded(self._chat), methods=["POST"]),
                Route("/v1/models", self._guarded(self._models)),
                Route("/healthz", self._guarded(self._health)),
                Route("/tierchat/status", self._guarded(self._show_status)),
                Route("/tierchat/load", self._guarded(self._load), methods=["POST"]),
                Route("/tierchat/unload", self._guarded(self._unload), methods=["POST"]),
                Route("/tierchat/reload", self._guarded(self._reload), methods=["POST"]),
                Route("/tierchat/log", self._guarded(self._change_log), methods=["POST"]),
                Route("/tierchat/shutdown", self._guarded(self._shut_down), methods=["POST"]),
            ],
            exception_handlers={HTTPException: _no_such_route},
        )

    def _guarded(
        self, handler: Callable[[Request], Awaitable[Any]]
    ) -> Callable[[Request], Awaitable[Any]]:
        """Turn every error into an answer; the one place of the daemon that catches all."""

        async def guarded(request: Request) -> Any:
            try:
                return await handler(request)
            except TierchatError as error:
                return _error(error)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception:
                return _error(self._bug())

        return guarded

    def _bug(self) -> TierchatError:
        print(traceback.format_exc(), flush=True)
        return TierchatError("a bug in tierchat", f"please report it; the traceback: {self._log}")

    async def _chat(self, request: Request) -> Any:
        body = await self._read(request)
        chat = read_request(body)
        reply = _Reply(self._answer(chat, request), self._limits, self._bug)
        return reply.stream() if chat.is_stream else await reply.whole(request)

    async def _answer(
        self, chat: ChatRequest, request: Request
    ) -> AsyncGenerator[CascadeEvent, None]:
        client = chat.user or str(request.scope.get("client") or "")
        async with (
            self._admission.turn(client, chat.prompt.options.timeout_s) as left_s,
            contextlib.aclosing(self._answerer.answer(_within(chat.prompt, left_s))) as events,
        ):
            async for event in events:
                yield event

    async def _read(self, request: Request) -> bytes:
        if request.headers.get("content-type", _JSON).split(";")[0].strip() != _JSON:
            raise InvalidRequest("the body must be application/json", param="content-type")
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_s):
                async for part in request.stream():
                    body += part
                    if len(body) > self._limits.max_body_bytes:
                        raise _TooLarge(
                            f"the body is larger than {self._limits.max_body_bytes} bytes",
                            "send less text",
                        )
        except TimeoutError as error:
            raise _TooSlow(f"the body did not arrive within {self._limits.body_s:g} s") from error
        return bytes(body)

    async def _models(self, _request: Request) -> Response:
        names = [ANY_MODEL]
        for cascade, tiers in self._answerer.cascades().items():
            names += [cascade, *(f"{cascade}/{tier}" for tier in tiers)]
        models = [{"id": name, "object": "model", "owned_by": "tierchat"} for name in names]
        return _json({"object": "list", "data": models})

    async def _health(self, _request: Request) -> Response:
        return _json({"status": "ok"})

    async def _show_status(self, _request: Request) -> Response:
        return _json(self._status())

    async def _change_log(self, request: Request) -> Response:
        change = read_body(await self._read(request), LogChange)
        return _json({"changed": await self._answerer.change(change)})

    async def _load(self, request: Request) -> Response:
        change = read_body(await self._read(request), ModelsChange)
        return _json(await self._keeper.load(change.name))

    async def _unload(self, request: Request) -> Response:
        change = read_body(await self._read(request), ModelsChange)
        return _json(await self._keeper.unload(change.name))

    async def _reload(self, _request: Request) -> Response:
        await self._keeper.reload()
        return _json({"status": "reloaded"})

    async def _shut_down(self, _request: Request) -> Response:
        self._stop()
        return _json({"status": "stopping"}, 202)


class _NoSuchRoute(TierchatError):
    http_status = 404
    code = "not_found"


class _WrongMethod(TierchatError):
    http_status = 405
    code = "method_not_allowed"


class _TooLarge(TierchatError):
    http_status = 413
    code = "body_too_large"


class _TooSlow(TierchatError):
    http_status = 408
    code = "body_too_slow"


class _Reply:
    """One answer on its way to one client, whole or as a stream."""

    def __init__(
        self,
        events: AsyncGenerator[CascadeEvent, None],
        limits: Limits,
        bug: Callable[[], TierchatError],
    ) -> None:
        self._events = events
        self._limits = limits
        self._bug = bug
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    async def whole(self, request: Request) -> Response:
        """Answer in one piece; a client that goes away cancels the work."""
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
                    return _json(completion(self._id, self._created, event.outcome))
        raise EngineCrashed("the answer ended without an outcome")

    def stream(self) -> _Stream:
        """Answer as server-sent events."""
        return _Stream(self._lines(), self._limits)

    async def _lines(self) -> AsyncIterator[bytes]:
        try:
            async with contextlib.aclosing(self._events) as events:
                async for event in events:
                    yield _line(chunk(self._id, self._created, event))
            yield b"data: [DONE]\n\n"
        except TierchatError as error:
            yield _Failure(error)
        except Exception:
            yield _Failure(self._bug())


class _Failure(bytes):
    """The last line of a stream that failed; it still knows the error."""

    error: TierchatError

    def __new__(cls, error: TierchatError) -> _Failure:
        self = super().__new__(cls, _line(error_body(error)))
        self.error = error
        return self


class _Stream:
    """An ASGI response: lines out, an eye on the client, a sign of life when nothing comes.

    An error before the first line is an ordinary error response with its status.
    """

    def __init__(self, lines: AsyncIterator[bytes], limits: Limits) -> None:
        self._lines = lines
        self._limits = limits

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._write(_scope, receive, send))
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
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(64)
        pump = asyncio.create_task(self._pump(queue))
        try:
            # An error that comes soon has its own status; a long wait shows a sign of life.
            line = await self._next(queue)
            if isinstance(line, _Failure):
                await _error(line.error)(scope, receive, send)
                return
            headers = [
                (b"content-type", b"text/event-stream"),
                (b"cache-control", b"no-store"),
                (VERSION_HEADER.encode(), __version__.encode()),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while line is not None:
                await self._send(send, line)
                line = await self._next(queue)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, queue: asyncio.Queue[bytes | None]) -> None:
        try:
            async for line in self._lines:
                await queue.put(line)
            await queue.put(None)
        finally:
            await self._lines.aclose()  # type: ignore[attr-defined]

    async def _next(self, queue: asyncio.Queue[bytes | None]) -> bytes | None:
        try:
            return await asyncio.wait_for(queue.get(), self._limits.keep_alive_s)
        except TimeoutError:
            return b": keep-alive\n\n"

    async def _send(self, send: Send, line: bytes) -> None:
        # `send` returns once the transport takes more: a reader that stalls is dropped.
        async with asyncio.timeout(self._limits.stall_s):
            await send({"type": "http.response.body", "body": line, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _within(prompt: Prompt, left_s: float | None) -> Prompt:
    options = msgspec.structs.replace(prompt.options, timeout_s=left_s)
    return msgspec.structs.replace(prompt, options=options)


def _line(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type=_JSON)


async def _no_such_route(request: Request, error: Exception) -> Response:
    asked = f"{request.method} {request.url.path}"
    if isinstance(error, HTTPException) and error.status_code == 405:
        response = _error(_WrongMethod(f"{asked}: this path takes another method"))
        response.headers.update(error.headers or {})
        return response
    return _error(_NoSuchRoute(f"no such path: {asked}", "chat is at POST /v1/chat/completions"))


def _error(error: TierchatError) -> Response:
    response = _json(error_body(error), error.http_status)
    if isinstance(error, Overloaded):
        response.headers["retry-after"] = str(error.retry_after_s)
    return response
