"""The door of the endpoint on TCP: lets requests in by the rules of `access`, and tells of each.

An ASGI application around the one of the Unix socket. Does not know sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tierchat.errors import KeyRefused, TierchatError
from tierchat.service.anthropic.messages_reply import anthropic_error
from tierchat.service.http.json_replies import error_response
from tierchat.service.network.access import Access, Asked, KeyShown, is_preflight
from tierchat.service.network.order import Served
from tierchat.service.openai_format import HOME_HEADER, TIER_HEADER, VERSION_HEADER

# A refused body is read so far that a client which first sends and then reads sees the reply.
_DRAINED_BYTES, _DRAIN_S = 1 << 16, 1.0
# Headers that nobody behind the door needs: the key must not even reach a traceback.
_STOPPED = (b"authorization", b"x-api-key", b"cookie", HOME_HEADER.encode())
_MAX_SHOWN = 200
# Routes whose clients expect errors in Anthropic's shape.
_ANTHROPIC = "/v1/messages"
# In the scope of a request that came over TCP.
REMOTE = "tierchat.is_remote"
_SHOWN_TO_PAGES = f"{TIER_HEADER}, {VERSION_HEADER}, retry-after"
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-allow-private-network", b"true"),
    (b"access-control-max-age", b"600"),
)


class Guard:
    """One application behind the rules of one listener; `told` hears of every request."""

    def __init__(self, app: ASGIApp, access: Access, told: Callable[[Served], None]) -> None:
        self._app, self._access, self._told = app, access, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        watched = _Watched(send)
        began_s = time.monotonic()
        is_key_shown = is_refused = False
        try:
            watched.origin = self._access.check(asked)
            await self._let_in(asked, scope, receive, watched)
        except TierchatError as error:
            is_refused = True
            is_key_shown = isinstance(error, KeyShown)
            watched.origin = self._named_origin(asked)
            await _refuse(error, scope, receive, watched)
        finally:
            self._told(
                Served(
                    client=_address(scope),
                    method=asked.method[:_MAX_SHOWN],
                    path="(withheld)" if is_key_shown else _shown_path(asked),
                    status=watched.status or 499,
                    seconds=time.monotonic() - began_s,
                    tier=watched.tier,
                    is_refused=is_refused,
                )
            )

    async def _let_in(
        self, asked: Asked, scope: Scope, receive: Receive, watched: _Watched
    ) -> None:
        if watched.origin and is_preflight(asked):
            wanted = ", ".join(asked.all(b"access-control-request-headers"))
            allowed = (b"access-control-allow-headers", wanted.encode("latin-1"))
            headers = [*_PREFLIGHT, *([allowed] if wanted else [])]
            await watched({"type": "http.response.start", "status": 204, "headers": headers})
            await watched({"type": "http.response.body", "body": b""})
            return
        agents = asked.all(b"user-agent")
        inner = {
            **scope,
            # Turns are fair between clients; on one machine programs differ by what they are.
            "client": (f"{_address(scope)} {' '.join(agents)[:_MAX_SHOWN]}".strip(), 0),
            "headers": [(name, value) for name, value in asked.headers if name not in _STOPPED],
            REMOTE: True,
        }
        await self._app(inner, receive, watched)

    def _named_origin(self, asked: Asked) -> str | None:
        """Return the origin that may read the refusal: a named page, whatever else is wrong."""
        origins = asked.all(b"origin")
        return origins[0] if len(origins) == 1 and origins[0] in self._access.origins else None


class _Watched:
    """Sends on; adds what a named page needs to read a reply, and keeps status and tier."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.origin: str | None = None
        self.status = 0
        self.tier = ""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            tiers = [value for name, value in headers if name == TIER_HEADER.encode()]
            self.tier = tiers[0].decode("latin-1") if tiers else ""
            if self.origin:
                headers += [
                    (b"access-control-allow-origin", self.origin.encode()),
                    (b"access-control-expose-headers", _SHOWN_TO_PAGES.encode()),
                    (b"vary", b"Origin"),
                ]
            message = {**message, "headers": headers}
        await self._send(message)


def _asked(scope: Scope) -> Asked:
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    url = raw_path + b"?" + scope.get("query_string", b"")
    return Asked(scope["method"], scope["path"], url, scope["headers"])


def _shown_path(asked: Asked) -> str:
    """Return the path as it was sent: decoded, it may have line breaks that forge lines."""
    return asked.url.partition(b"?")[0].decode("ascii", "replace")[:_MAX_SHOWN]


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"


async def _refuse(error: TierchatError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an error to a client that was not let in, and close its connection."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            num_read, more = 0, True
            while more and num_read < _DRAINED_BYTES:
                message = await receive()
                num_read += len(message.get("body", b""))
                more = message.get("more_body", False)
    is_anthropic = scope["path"].startswith(_ANTHROPIC)
    response = error_response(error, *([anthropic_error] if is_anthropic else []))
    response.headers["connection"] = "close"
    if isinstance(error, KeyRefused):
        response.headers["www-authenticate"] = "Bearer"
    await response(scope, receive, send)
