"""What `tierchat serve` asks of the daemon: an address, and the rules that go with it.

Does not know sockets; `check` refuses orders that would leave the endpoint open to others.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Annotated

import msgspec

from tierchat.config.settings import Settings
from tierchat.errors import UsageError
from tierchat.service.messages import ServeStatus
from tierchat.types import Frozen

_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_Texts = Annotated[tuple[_Text, ...], msgspec.Meta(max_length=64)]
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")
_HOST = re.compile(r"[a-z0-9_.-]+")


class ServeOrder(Frozen, frozen=True):
    """Where to listen and whom to let in.

    `host` is a name or an address; port 0 is a free one. `is_exposed` allows addresses that other
    machines reach. Pages of these `origins`, and no others, may use the endpoint; `names` are
    further names of this machine that a Host header may have. With a lease (`is_lease`) listening
    ends when the connection that ordered it ends.
    """

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8421
    has_key: bool = True
    is_exposed: bool = False
    tls_cert: _Text = ""
    tls_key: _Text = ""
    origins: _Texts = ()
    names: _Texts = ()
    is_lease: bool = False


class Served(Frozen, frozen=True):
    """One finished request, without a word of what was asked or answered.

    `is_refused`: it was not let in.
    """

    client: str
    method: str
    path: str
    status: int
    seconds: float
    tier: str = ""
    is_refused: bool = False


class ServeEvent(Frozen, frozen=True):
    """One line to the command that holds the lease; `is_over` is the last one.

    With the status comes whether listening ends with this lease (`is_owner`).
    """

    status: ServeStatus | None = None
    is_owner: bool = True
    served: Served | None = None
    is_over: bool = False


def order_of(settings: Settings) -> ServeOrder:
    """Return the order that the settings describe."""
    return ServeOrder(
        host=settings.serve_host,
        port=settings.serve_port,
        has_key=not settings.serve_no_key,
        is_exposed=settings.serve_expose,
        tls_cert=settings.serve_tls_cert,
        tls_key=settings.serve_tls_key,
        origins=tuple(settings.serve_origins.split()),
        names=tuple(settings.serve_names.split()),
    )


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    """Return family and address of a host; raises UsageError for a name that has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"{host!r} is no address of this machine: {error}", "the default is 127.0.0.1"
        ) from error
    # `localhost` may have an IPv6 address first; most clients try 127.0.0.1.
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, str(address[0])


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def check(order: ServeOrder, address: str) -> None:
    """Raise UsageError for an order that is not safe, or whose parts do not go together.

    `address` is what the host of the order resolves to.
    """
    if not is_loopback(address):
        what = f"{order.host} can be reached from other machines"
        if not order.has_key:
            raise UsageError(
                f"{what}, and --no-key lets everybody in",
                "leave out --no-key, or listen on 127.0.0.1",
            )
        if not order.is_exposed:
            raise UsageError(
                what,
                "add --expose if they are to use your models: whoever has the key can ask and read "
                "`tierchat ps`; listen on 127.0.0.1 otherwise",
            )
    if bool(order.tls_cert) != bool(order.tls_key):
        raise UsageError(
            "TLS needs both --tls-cert and --tls-key", "each names a file in PEM format"
        )
    for origin in order.origins:
        if not _ORIGIN.fullmatch(origin):
            raise UsageError(
                f"{origin!r} is no origin of a web page",
                "write it as browsers send it, for example https://chat.example.com or "
                "http://localhost:3000: no path, no *",
            )
    for name in order.names:
        if not _HOST.fullmatch(name):
            raise UsageError(
                f"{name!r} is no host name",
                "write the name alone, in small letters, as in box.example.com",
            )
