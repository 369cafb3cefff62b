"""Listening on TCP: begins when it is ordered, ends when told, tells who was served.

One event loop owns it. Does not know what the application behind the door answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from tierchat.errors import TierchatError, UsageError
from tierchat.paths import Paths, shown
from tierchat.service.http.limits import Limits
from tierchat.service.http.listener import Http
from tierchat.service.messages import ServeStatus
from tierchat.service.network.acceptor import Acceptor, listen
from tierchat.service.network.access import Access
from tierchat.service.network.certificate import Certificate
from tierchat.service.network.guard import Guard
from tierchat.service.network.key_file import KeyFile
from tierchat.service.network.order import (
    Served,
    ServeEvent,
    ServeOrder,
    check,
    is_loopback,
    resolved,
)

# Lines for a command that reads slowly; further ones are dropped.
_MAX_LINES = 256


class Serving:
    """The TCP side of the daemon's one application."""

    def __init__(self, paths: Paths, limits: Limits, on_refusal: Callable[[int], None]) -> None:
        """`on_refusal` hears the status of each request that was not let in."""
        self._on_refusal = on_refusal
        self._paths, self._limits = paths, limits
        self._acceptor: Acceptor | None = None
        self._http: Http | None = None
        self._app: Any = None
        self._order: ServeOrder | None = None
        self._watchers: set[asyncio.Queue[ServeEvent]] = set()
        self.status = ServeStatus()

    def offer(self, http: Http, app: Any) -> None:
        """Make the application available to orders; `http` ends the connections at the end."""
        self._http, self._app = http, app

    async def open(self, order: ServeOrder) -> ServeStatus:
        """Listen as ordered. Raises UsageError, UnsafePath, or UsageError if it listens elsewhere.

        The same order again changes nothing.
        """
        if self._acceptor:
            if self._order == _without_lease(order):
                return self.status
            raise UsageError(
                f"the daemon listens already, at {self.status.url}",
                "end that first: tierchat serve --stop",
            )
        assert self._http and self._app
        _, address = resolved(order.host, order.port)
        check(order, address)
        key = KeyFile(self._paths.key_file) if order.has_key else None
        if key:
            key.ensure()
        tls = Certificate(order.tls_cert, order.tls_key) if order.tls_cert else None
        listener = listen(order.host, order.port)
        is_open = not is_loopback(address)
        access = Access(key, order.origins, order.names, is_open)
        guard = Guard(self._app, access, self._tell)
        self._acceptor = Acceptor(
            listener,
            self._http.network_protocol(guard, self._limits.idle_s),
            self._limits.max_connections,
            self._limits.head_s,
            tls.context if tls else None,
        )
        self._order = _without_lease(order)
        self.status = ServeStatus(
            url=_url(order, listener),
            key_file=shown(self._paths.key_file) if key else "",
            is_open=is_open,
        )
        return self.status

    async def open_by_settings(self, order: ServeOrder) -> None:
        """Listen as the settings say; what is wrong with them goes into the status."""
        try:
            await self.open(order)
        except TierchatError as error:
            hint = f" ({error.hint})" if error.hint else ""
            self.status = ServeStatus(problem=f"{error.message}{hint}")

    async def close(self) -> bool:
        """Stop listening; False if nobody listened. Requests under way get time to finish."""
        acceptor, self._acceptor, self._order = self._acceptor, None, None
        self.status = ServeStatus()
        for queue in self._watchers:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(ServeEvent(is_over=True))
        if acceptor is None:
            return False
        await acceptor.close()
        if self._http:
            self._http.close_network()
        return True

    async def lease(self, order: ServeOrder) -> AsyncGenerator[ServeEvent, None]:
        """Listen until the generator is closed; yields the status, then every served request.

        If the daemon listens so already, it goes on listening afterwards.
        """
        is_owner = self._acceptor is None
        status = await self.open(order)
        queue: asyncio.Queue[ServeEvent] = asyncio.Queue(_MAX_LINES)
        self._watchers.add(queue)
        try:
            yield ServeEvent(status=status, is_owner=is_owner)
            while True:
                event = await queue.get()
                yield event
                if event.is_over:
                    return
        finally:
            self._watchers.discard(queue)
            if is_owner and self.status is status:
                await self.close()

    def _tell(self, served: Served) -> None:
        if served.is_refused:
            self._on_refusal(served.status)
        for queue in self._watchers:
            # The last place is for the word that it is over.
            if queue.qsize() < _MAX_LINES - 1:
                queue.put_nowait(ServeEvent(served=served))


def _without_lease(order: ServeOrder) -> ServeOrder:
    return msgspec.structs.replace(order, is_lease=False)


def _url(order: ServeOrder, listener: socket.socket) -> str:
    """Return the base URL that clients on this machine take."""
    host, port = order.host, listener.getsockname()[1]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if order.tls_cert else 'http'}://{host}:{port}/v1"
