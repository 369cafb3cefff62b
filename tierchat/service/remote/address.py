"""The address of a tierchat elsewhere, as people write it.

Does not know sockets.
"""

from __future__ import annotations

from dataclasses import dataclass

from tierchat.errors import UsageError

_DEFAULT_PORT = 8421
_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EXAMPLE = "write it as in http://192.168.1.5:8421 or https://models.example.com"


@dataclass(frozen=True)
class ServerAddress:
    """Where a tierchat listens; `path` is what stands before /v1, mostly nothing."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """The address as text, without /v1."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def is_readable_on_the_way(self) -> bool:
        """Whether others may read what is sent: no TLS, and a network between."""
        return self.scheme == "http" and self.host not in _LOOPBACK


def parse_server(text: str) -> ServerAddress:
    """Read a base URL, with or without /v1, or HOST or HOST:PORT; raises UsageError."""
    from urllib.parse import urlsplit

    bare = text.strip()
    has_scheme = "://" in bare
    try:
        parts = urlsplit(bare if has_scheme else f"http://{bare}")
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the server {text!r} is no address: {error}", _EXAMPLE) from error
    if parts.scheme not in _PORTS or not parts.hostname or set(bare) & set(" \t\r\n"):
        raise UsageError(f"the server {text!r} is no address", _EXAMPLE)
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            "the server's address has more than host, port and path",
            "a key never stands in an address: set TIERCHAT_KEY, or server_key_file in config.toml",
        )
    if port is None:
        port = _PORTS[parts.scheme] if has_scheme else _DEFAULT_PORT
    path = parts.path.rstrip("/").removesuffix("/v1")
    return ServerAddress(parts.scheme, parts.hostname, port, path)
