"""uvicorn on our sockets: connections of our user on the Unix socket, others over TCP.

None of them may stall. Does not know routes, or who accepts connections over TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tierchat.errors import TierchatError
from tierchat.service.http.limits import Limits
from tierchat.service.openai_replies import bare_response
from tierchat.service.peer import peer_of

_MARGIN_S = 2.0
_MAX_HEAD_BYTES, _PIECE_BYTES = 64 * 1024, 4 * 1024


class HeadTooSlow(TierchatError):
    http_status = 408
    code = "head_too_slow"


class MalformedHttp(TierchatError):
    """Bytes that are no request; h11 says with which status they are refused."""

    http_status = 400
    code = "malformed_http"

    @classmethod
    def because_of(cls, error: BaseException | None) -> MalformedHttp:
        """Return the error that says what h11 could not read."""
        why = str(error or "it cannot be read")
        # The first bytes of TLS are no line of a request.
        hint = "a client that speaks TLS needs an address with http:// here"
        found = cls(f"this is not HTTP/1.1: {why}", hint if "request line" in why else "")
        if isinstance(error, h11.ProtocolError):
            found.http_status = error.error_status_hint
        return found


class Timed(H11Protocol):
    """HTTP for one connection, which is closed when its client does not go on.

    A request's head must arrive within `head_s` seconds, its body within `body_s`, whoever reads
    it. A client that reads nothing for `stall_s` seconds is dropped.
    """

    def __init__(
        self, *args: Any, head_s: float, body_s: float, stall_s: float, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._limits_s: dict[Any, float] = {h11.IDLE: head_s, h11.SEND_BODY: body_s}
        self._stall_s = stall_s
        # What the timer waits for: the head or the body of a request.
        self._awaited: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        # h11 takes a head of any length that is whole at once.
        for start in range(0, len(data), _PIECE_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[start : start + _PIECE_BYTES])
        self._expect()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request in the shape of our errors, not in uvicorn's plain text.

        uvicorn calls this while it handles the error of h11, which says more than `msg`.
        """
        # Within an answer that has begun, an error would be taken for a part of it.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(bare_response(MalformedHttp.because_of(sys.exception())))
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        # Not close(): that waits until the client has read the rest, which may never happen.
        self._stall_timer = self.loop.call_later(self._stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._stall_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        _cancel(self._timer)
        _cancel(self._stall_timer)
        super().connection_lost(exc)

    def _expect(self) -> None:
        awaited = self.conn.their_state
        if awaited is self._awaited:
            # A byte now and then must not move the end.
            return
        _cancel(self._timer)
        self._awaited, self._timer = awaited, None
        if awaited in self._limits_s:
            self._timer = self.loop.call_later(self._limits_s[awaited], self._give_up)

    def _give_up(self) -> None:
        if self.conn.our_state is h11.IDLE:
            seconds = self._limits_s[h11.IDLE]
            error = HeadTooSlow(f"the head of a request did not arrive within {seconds:g} s")
            self.transport.write(bare_response(error))
        self.transport.close()


class OwnersOnly(Timed):
    """HTTP for connections of our own user and root; others are closed unread."""

    def connection_made(self, transport: Any) -> None:
        peer = peer_of(transport.get_extra_info("socket"))
        super().connection_made(transport)
        if peer is None:
            return
        # Admission is fair between clients; here a client is a process.
        self.client = (f"pid {peer.pid}", 0)
        if peer.uid not in (os.getuid(), 0):
            transport.abort()


class FromNetwork(Timed):
    """HTTP for a connection over TCP; `on_over` hears of its end."""

    def __init__(self, *args: Any, on_over: Callable[[], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_over = on_over

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_over()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class Http(uvicorn.Server):
    """uvicorn without signal handlers: the daemon decides when to stop.

    Connections of both kinds share its end: idle ones are closed, others may finish.
    """

    def __init__(self, app: Any, grace_s: float, limits: Limits) -> None:
        self._limits, self._grace_s = limits, grace_s
        super().__init__(self._config(app, OwnersOnly, 5))

    def network_protocol(
        self, app: Any, idle_s: float
    ) -> Callable[[Callable[[], None]], asyncio.Protocol]:
        """Return what makes the protocol of a connection over TCP, with its own application.

        A connection without a request is closed after `idle_s`.
        """
        config = self._config(app, FromNetwork, idle_s)
        config.load()

        def made(on_over: Callable[[], None]) -> asyncio.Protocol:
            state = {"server_state": self.server_state, "app_state": {}}
            made_for: Any = config.http_protocol_class
            protocol: asyncio.Protocol = made_for(config=config, **state, on_over=on_over)
            return protocol

        return made

    def close_network(self) -> None:
        """Close connections over TCP; those that are being answered, after their answer."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, FromNetwork):
                connection.shutdown()

    def _config(self, app: Any, protocol: type[Timed], idle_s: float) -> uvicorn.Config:
        limits = self._limits
        timed = functools.partial(
            protocol,
            head_s=limits.head_s,
            # Routes that read the body say themselves that it is too slow.
            body_s=limits.body_s + _MARGIN_S,
            stall_s=limits.stall_s,
        )
        return uvicorn.Config(
            app,
            http=timed,  # type: ignore[arg-type]
            loop="asyncio",
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            # A client must not choose the address under which it is known.
            proxy_headers=False,
            timeout_keep_alive=int(idle_s),
            timeout_graceful_shutdown=int(self._grace_s),
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
