"""Connections over TCP: accepts them, at most so many at once, with or without TLS.

Does not know HTTP: `protocol` makes what speaks with one client. asyncio's own servers count no
connection whose TLS handshake is still under way; this one counts every connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Callable

from tierchat.errors import Overloaded, UsageError
from tierchat.service.network.order import resolved
from tierchat.service.openai_replies import bare_response

_BACKLOG = 256
# The pause after a connection could not be accepted, for instance because files ran out.
_PAUSE_S = 0.5
_RETRY_AFTER_S = 2

Protocol = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes the protocol of a new connection; it calls its argument when the connection is over."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises UsageError if the address cannot be had."""
    family, address = resolved(host, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Otherwise `::` would be 0.0.0.0, too.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        finder = f"ss -ltnp 'sport = :{port}'"
        if sys.platform == "darwin":
            finder = f"lsof -nP -iTCP:{port} -sTCP:LISTEN"
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            f"choose another port with --port, or end the program that has it: `{finder}` names it",
        ) from error
    listener.setblocking(False)
    return listener


class Acceptor:
    """Accepts connections until it is closed. One event loop owns it.

    Of `max_connections`, one address has at most half, unless it is this machine's own. A TLS
    handshake takes at most `handshake_s`.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Protocol,
        max_connections: int,
        handshake_s: float,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._listener, self._protocol, self._tls = listener, protocol, tls
        self._max_connections, self._handshake_s = max_connections, handshake_s
        self._by_address: Counter[str] = Counter()
        self._opening: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept())

    @property
    def num_connections(self) -> int:
        return self._by_address.total()

    async def close(self) -> None:
        """Accept no more; connections that were accepted go on."""
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if self._has_room(address[0]):
                self._by_address[address[0]] += 1
                task = asyncio.create_task(self._open(connection, address[0]))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)
            else:
                self._turn_away(connection)

    def _has_room(self, address: str) -> bool:
        if self.num_connections >= self._max_connections:
            return False
        own = address in ("127.0.0.1", "::1")
        return own or self._by_address[address] < max(1, self._max_connections // 2)

    def _turn_away(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            if not self._tls:
                num = self.num_connections
                error = Overloaded(f"{num} connections are open", "try again", _RETRY_AFTER_S)
                connection.send(bare_response(error))
                # What the client has sent by now is read: else the reply would be lost by a reset.
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 16)

    async def _open(self, connection: socket.socket, address: str) -> None:
        over = asyncio.Event()
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = self._tls() if self._tls else None
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._protocol(over.set),
                connection,
                ssl=tls,
                ssl_handshake_timeout=self._handshake_s if tls else None,
                ssl_shutdown_timeout=self._handshake_s if tls else None,
            )
            del transport
            await over.wait()
        except (OSError, EOFError):
            # A handshake that failed or took too long, or a client that left.
            connection.close()
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
