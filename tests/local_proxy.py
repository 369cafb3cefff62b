"""Proxies on this machine for tests: one that speaks SOCKS 5, and one that answers one status.

Do not know tierchat.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SocksProxy(socketserver.ThreadingTCPServer):
    """A SOCKS 5 proxy; `asked` are the hosts and ports that clients wanted to reach.

    Every host leads to this machine, so that a test may ask for a name that nobody else resolves.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SocksConnection)
        self.asked: list[tuple[str, int]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _SocksConnection(socketserver.StreamRequestHandler):
    server: SocksProxy

    def handle(self) -> None:
        _version, num_methods = self.rfile.read(2)
        self.rfile.read(num_methods)
        self.wfile.write(b"\x05\x00")
        _version, _command, _, kind = self.rfile.read(4)
        host = self._host(kind)
        (port,) = struct.unpack(">H", self.rfile.read(2))
        self.server.asked.append((host, port))
        with socket.create_connection(("127.0.0.1", port)) as there:
            self.wfile.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join()

    def _host(self, kind: int) -> str:
        if kind == 3:
            (length,) = self.rfile.read(1)
            return self.rfile.read(length).decode()
        family = socket.AF_INET if kind == 1 else socket.AF_INET6
        return socket.inet_ntop(family, self.rfile.read(4 if kind == 1 else 16))


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def socks_proxy() -> Iterator[SocksProxy]:
    with SocksProxy() as proxy, _serving(proxy):
        yield proxy


@contextlib.contextmanager
def refusing_proxy(status: int) -> Iterator[str]:
    """Run an HTTP proxy that answers everything with one status; yields its address."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_CONNECT = do_GET

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server, _serving(server):
        yield f"127.0.0.1:{server.server_address[1]}"


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
