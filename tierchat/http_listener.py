"""uvicorn on a socket of ours: connections of our own user only, no signal handlers.

Does not know routes.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tierchat.peer import peer_of


class OwnersOnly(H11Protocol):
    """HTTP for connections of our own user only; others are closed unread."""

    def connection_made(self, transport: Any) -> None:
        peer = peer_of(transport.get_extra_info("socket"))
        super().connection_made(transport)
        if peer is None:
            return
        # The peer's process is who it is, for a queue that is fair between clients.
        self.client = (f"pid {peer.pid}", 0)
        if peer.uid not in (os.getuid(), 0):
            transport.abort()


class Http(uvicorn.Server):
    """uvicorn without signal handlers: the daemon decides when to stop."""

    def __init__(self, app: Any, grace_s: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=OwnersOnly,
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
