"""uvicorn on our Unix socket: only connections of our user, and none that stalls.

Does not know routes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tierchat.service.peer import peer_of

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class OwnersOnly(H11Protocol):
    """HTTP for connections of our own user and root; others are closed unread.

    A request's head must arrive within `head_s` seconds. A client that reads nothing for
    `stall_s` seconds is dropped.
    """

    def __init__(self, *args: Any, head_s: float, stall_s: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_s = head_s
        self._stall_s = stall_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        peer = peer_of(transport.get_extra_info("socket"))
        super().connection_made(transport)
        self._expect_head()
        if peer is None:
            return
        # Admission is fair between clients; here a client is a process.
        self.client = (f"pid {peer.pid}", 0)
        if peer.uid not in (os.getuid(), 0):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        # Not close(): that waits until the client has read the rest, which may never happen.
        self._stall_timer = self.loop.call_later(self._stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._stall_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        _cancel(self._head_timer)
        _cancel(self._stall_timer)
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            _cancel(self._head_timer)
            self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_s, self._give_up)

    def _give_up(self) -> None:
        self.transport.write(_TOO_SLOW)
        self.transport.close()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class Http(uvicorn.Server):
    """uvicorn without signal handlers: the daemon decides when to stop."""

    def __init__(self, app: Any, grace_s: float, head_s: float, stall_s: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=functools.partial(OwnersOnly, head_s=head_s, stall_s=stall_s),  # type: ignore[arg-type]
                loop="asyncio",
                lifespan="off",
                ws="none",
                access_log=False,
                log_config=None,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=int(grace_s),
                h11_max_incomplete_event_size=64 * 1024,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
