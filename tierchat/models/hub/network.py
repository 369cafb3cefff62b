"""How this machine reaches the hub: the proxies and certificates that environment variables name.

Does not know HTTP libraries or the hub. A value that cannot work is refused with its variable,
before a library meets it: the libraries crash on some values and ignore others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from tierchat.errors import NetworkError

if TYPE_CHECKING:
    import ssl

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PROXY_HINT = (
    f"write it like http://host:3128 or socks5://host:1080 ({', '.join(_SCHEMES)}), or unset it"
)
# The first of these that has a value says whom to trust.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CERTIFICATE_HINT = (
    "name a file with certificates in PEM form (or for SSL_CERT_DIR a folder of them), "
    "or unset the variable"
)


@dataclass(frozen=True)
class Proxy:
    """A proxy in the form that HTTP libraries take, and the variable that names it."""

    url: str
    variable: str

    def __str__(self) -> str:
        return f"the proxy {_without_password(self.url)} ({self.variable})"


class NetworkSettings:
    """The proxies and certificates of an environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def proxy_for(self, url: str) -> Proxy | None:
        """Choose the proxy for an address; raises NetworkError for one that cannot work.

        Lower-case variables win over upper-case ones, HTTPS_PROXY and HTTP_PROXY over ALL_PROXY.
        """
        wanted = urlsplit(url)
        found = self._named_proxy(wanted.scheme)
        if found is None or self._goes_around_proxies(wanted):
            return None
        variable, text = found
        return Proxy(_checked(variable, text), variable)

    def ssl_context(self) -> ssl.SSLContext:
        """Load the certificates to trust; raises NetworkError naming a variable that is wrong.

        Without a variable they are those of the system and those of certifi.
        """
        import ssl

        # A variable that does not count here is checked, too: other programs fail on it.
        given = [_trusting(name, self._env[name]) for name in _CERTIFICATES if self._env.get(name)]
        if given:
            return given[0]
        import certifi

        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
        return context

    @property
    def trusted(self) -> str:
        """The variable that says whom to trust, with its value; empty without one."""
        return next((f"{n}={self._env[n]}" for n in _CERTIFICATES if self._env.get(n)), "")

    def _named_proxy(self, scheme: str) -> tuple[str, str] | None:
        for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
            if name == "HTTP_PROXY" and "REQUEST_METHOD" in self._env:
                # In a CGI program a client of the web chooses this variable.
                continue
            if text := self._env.get(name, "").strip():
                return name, text
        if sys.platform != "darwin":
            return None
        from urllib.request import getproxies

        text = getproxies().get(scheme, "")
        return ("the system's settings", text) if text else None

    def _goes_around_proxies(self, url: SplitResult) -> bool:
        entries = (self._env.get("no_proxy") or self._env.get("NO_PROXY") or "").split(",")
        port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
        host = (url.hostname or "").rstrip(".")
        return any(_covers(entry.strip().casefold(), host, port) for entry in entries)


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether one entry of no_proxy covers a host: a name and all below it, an address, a range.

    An entry may end in a port, and IPv6 addresses may stand in brackets, as curl and Python allow.
    An entry that is none of these covers nothing.
    """
    import ipaddress

    entry = entry.partition("://")[2] or entry
    if entry == "*":
        return True
    name, its_port = _split_port(entry)
    if not name or (its_port and its_port != str(port)):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = name.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith("." + name))
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, str]:
    """Split `host:port`; the colons of an IPv6 address begin no port unless it is in brackets."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        # Both [fd00::]/8 and [fd00::/8] are written.
        return (name + rest, "") if rest.startswith("/") else (name, rest.removeprefix(":"))
    name, colon, port = entry.partition(":")
    return (entry, "") if not colon or ":" in port else (name, port)


def _checked(variable: str, text: str) -> str:
    """Return a proxy's address as the HTTP libraries take it; raises NetworkError."""
    whole = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(whole)
        is_sound = bool(parts.hostname) and parts.port != 0 and whole.isprintable()
    except ValueError:
        is_sound = False
    if not is_sound or " " in whole:
        shown = ascii(_without_password(text))
        raise NetworkError(f"{variable} is {shown}, which is no address of a proxy", _PROXY_HINT)
    # Desktops write socks://, which says no version; the proxy resolves names, as with socks5h.
    scheme = "socks5h" if parts.scheme == "socks" else parts.scheme
    if scheme not in _SCHEMES:
        raise NetworkError(
            f"{variable} is {_without_password(text)!a}: "
            f"a proxy that speaks {scheme} cannot be used",
            _PROXY_HINT,
        )
    return f"{scheme}://{whole.partition('://')[2]}"


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    if not at:
        return url
    scheme, separator, user = before.rpartition("//")
    name, colon, _ = user.partition(":")
    return f"{scheme}{separator}{name}{':***' if colon else ''}@{after}"


def _trusting(variable: str, value: str) -> ssl.SSLContext:
    import ssl

    problem = _problem(variable, value)
    if not problem:
        try:
            if variable == "SSL_CERT_DIR" or Path(value).is_dir():
                return ssl.create_default_context(capath=value)
            return ssl.create_default_context(cafile=value)
        except ssl.SSLError:
            problem = "it has no certificate in PEM form"
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
    raise NetworkError(f"{variable} is {value!a}: {problem}", _CERTIFICATE_HINT)


def _problem(variable: str, value: str) -> str:
    """Say why a path cannot hold certificates; OpenSSL itself ignores a missing folder."""
    if variable == "SSL_CERT_DIR":
        folders = [folder for folder in value.split(os.pathsep) if folder]
        return "" if any(map(os.path.isdir, folders)) else "there is no such folder"
    if not os.path.exists(value):
        return "there is no such file"
    if os.path.isdir(value) and variable == "SSL_CERT_FILE":
        return "it is a folder"
    return ""
