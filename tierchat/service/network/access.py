"""Who may send a request over TCP: the rules for Host, Origin, key, route and content type.

Pure but for the key's file; does not know sockets or ASGI. A browser is let in only where its page
is named: any page that a person visits can send requests to 127.0.0.1, and a page whose name leads
to 127.0.0.1 (DNS rebinding) could read the replies, too.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from tierchat.errors import Forbidden, InvalidRequest, KeyRefused, WrongType
from tierchat.service.network.key_file import KeyFile

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?")
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# What a command elsewhere may read of the daemon; all else below /tierchat/ changes something.
_READABLE = {("GET", "/tierchat/status"), ("HEAD", "/tierchat/status")}
_OWN_ROUTES = "/tierchat/"
_WITH_BODY = ("POST", "PUT", "PATCH")
_BEARER = "send the header `Authorization: Bearer KEY`, or `x-api-key: KEY`"
_FIND_KEY = "`tierchat serve --show-key` prints the key on the machine that serves"


class KeyShown(KeyRefused):
    """The key stands where others read it; the URL must not be told to anybody."""


@dataclass(frozen=True)
class Asked:
    """The head of one request; names of headers are in small letters."""

    method: str
    path: str
    url: bytes
    headers: Sequence[tuple[bytes, bytes]]

    def all(self, name: bytes) -> list[str]:
        """Return every value of a header."""
        return [value.decode("latin-1").strip() for key, value in self.headers if key == name]


@dataclass(frozen=True)
class Access:
    """The rules of one listener.

    Without a `key` everybody is let in whom Host and Origin allow. `names` are the names of this
    machine, beside those of the loopback. An exposed listener takes IP addresses as Host, too: DNS
    rebinding needs a name.
    """

    key: KeyFile | None
    origins: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_exposed: bool = False

    def check(self, asked: Asked) -> str | None:
        """Return the origin of the page that asks, None if no page does.

        Raises InvalidRequest, Forbidden, KeyRefused and WrongType.
        """
        self._check_host(asked)
        origin = self._page(asked)
        if is_preflight(asked):
            return origin
        if self.key:
            self._check_key(self.key, asked)
        if asked.path.startswith(_OWN_ROUTES) and (asked.method, asked.path) not in _READABLE:
            raise Forbidden(
                f"{asked.method} {asked.path} is for commands on the machine that serves",
                "run the command there; it uses the Unix socket",
            )
        if asked.method in _WITH_BODY:
            _check_type(asked)
        return origin

    def _check_host(self, asked: Asked) -> None:
        given = asked.all(b"host")
        if len(given) != 1:
            raise InvalidRequest(
                f"the request has {len(given)} Host headers instead of one", param="host"
            )
        match = _HOST.fullmatch(given[0].lower())
        if not (match and self._is_ours(match[1])):
            raise Forbidden(
                f"the Host header {given[0][:100]!r} names no address of this endpoint",
                "use 127.0.0.1 or localhost"
                + (
                    ", the address of this machine, or a name that serve_names lists"
                    if self.is_exposed
                    else ""
                ),
            )

    def _is_ours(self, host: str) -> bool:
        if host in _LOOPBACK_NAMES or host in self.names:
            return True
        if not self.is_exposed:
            return False
        if host == socket.gethostname().lower():
            return True
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return True

    def _page(self, asked: Asked) -> str | None:
        origins = asked.all(b"origin")
        if len(origins) == 1 and origins[0] in self.origins:
            return origins[0]
        sites = asked.all(b"sec-fetch-site")
        if origins or any(site not in ("same-origin", "none") for site in sites):
            who = f"of {origins[0][:100]}" if origins else "of another site"
            raise Forbidden(
                f"a web page {who} may not use this endpoint",
                "name its origin in the setting serve_origins, or with --origin, to let it",
            )
        return None

    def _check_key(self, key: KeyFile, asked: Asked) -> None:
        if key.is_within(asked.url):
            raise KeyShown(
                "the key stands in the URL, where proxies and logs see it",
                f"{_BEARER}; then make a new key: tierchat serve --new-key",
            )
        bearers, plain = asked.all(b"authorization"), asked.all(b"x-api-key")
        if not bearers and not plain:
            raise KeyRefused("this endpoint asks for its key", f"{_BEARER}; {_FIND_KEY}")
        if len(bearers) > 1 or len(plain) > 1:
            raise KeyRefused("the request has more than one key", _BEARER)
        given = list(plain)
        for value in bearers:
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                given.append(token.strip())
        if not any([key.matches(each.encode("latin-1")) for each in given]):
            raise KeyRefused("the key is not the one of this endpoint", _FIND_KEY)


def is_preflight(asked: Asked) -> bool:
    """Whether a browser asks if a page may send a request."""
    return asked.method == "OPTIONS" and bool(asked.all(b"access-control-request-method"))


def _check_type(asked: Asked) -> None:
    kinds = asked.all(b"content-type")
    if len(kinds) == 1 and kinds[0].split(";")[0].strip().lower() == "application/json":
        return
    told = f"is {kinds[0][:100]}" if kinds else "has no content type"
    raise WrongType(
        f"the body {told}, not application/json",
        "send the header Content-Type: application/json",
        param="content-type",
    )
