"""Connections to the hub and to the hosts that it names, over the proxies of the environment.

Does not know repos or tokens. The only seam to `httpx`, and to `httpx2`, which `huggingface_hub`
uses: their errors end here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tierchat.errors import NetworkError
from tierchat.models.hub.network import NetworkSettings, Proxy
from tierchat.models.hub.refusals import (
    PassingFault,
    distrusted,
    first_line,
    refused_by_proxy,
    unreachable,
)

if TYPE_CHECKING:
    import ssl

    import httpx
    import httpx2
    from httpx import Response as Response

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
_MAX_REDIRECTS = 5


class Connections:
    """Makes connections with the settings of a network; `home` is the address of the hub."""

    def __init__(self, network: NetworkSettings, home: str) -> None:
        self._network = network
        self._home = home
        self._trust: ssl.SSLContext | None = None

    def is_home(self, url: httpx.URL) -> bool:
        """Whether an address belongs to the hub itself."""
        import httpx

        return _origin(url) == _origin(httpx.URL(self._home))

    @contextlib.contextmanager
    def stream(self, address: str, headers: Mapping[str, str], name: str) -> Iterator[Response]:
        """Request a file called `name` and follow redirects; the body is read by the caller.

        Raises PassingFault or NetworkError, also while the body is read.
        """
        import httpx

        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        url, sent = httpx.URL(address), dict(headers)
        for _ in range(_MAX_REDIRECTS + 1):
            if not self.is_home(url):
                # Never sent again: a foreign host that redirects back to the hub could choose the
                # address that gets the token.
                sent.pop("authorization", None)
            proxy = self._network.proxy_for(str(url))
            over = httpx.Proxy(proxy.url, ssl_context=self._trust_of(proxy)) if proxy else None
            with (
                self._errors(name, url, proxy),
                httpx.Client(
                    timeout=timeout, verify=self._trusted(), proxy=over, trust_env=False
                ) as client,
                client.stream("GET", url, headers=sent) as response,
            ):
                if not response.has_redirect_location:
                    yield response
                    return
                url = _redirected(url, response.headers["location"])
        raise NetworkError(f"the hub redirects more than {_MAX_REDIRECTS} times for {name}")

    @contextlib.contextmanager
    def for_library(self, address: str) -> Iterator[httpx2.Client]:
        """Make the client with which `huggingface_hub` asks the hub, and map its errors."""
        import httpx2

        proxy = self._network.proxy_for(address)
        over = httpx2.Proxy(proxy.url, ssl_context=self._trust_of(proxy)) if proxy else None
        try:
            with httpx2.Client(
                verify=self._trusted(),
                proxy=over,
                trust_env=False,
                follow_redirects=True,
                timeout=None,
            ) as client:
                yield client
        except (httpx2.HTTPError, OSError, _socks_error()) as error:
            raise self._failure(error, address, proxy) from error
        except httpx2.InvalidURL as error:
            raise NetworkError(
                f"{address} redirects to an address that is none: {first_line(error)}",
                "check HF_ENDPOINT",
            ) from error

    def _trusted(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = self._network.ssl_context()
        return self._trust

    def _trust_of(self, proxy: Proxy) -> ssl.SSLContext | None:
        """Return the certificates for the connection to a proxy; None for one without TLS."""
        return self._trusted() if proxy.url.startswith("https:") else None

    @contextlib.contextmanager
    def _errors(self, name: str, url: httpx.URL, proxy: Proxy | None) -> Iterator[None]:
        import httpx

        try:
            yield
        except (
            *(httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError),
            _socks_error(),
        ) as error:
            address = f"{url.scheme}://{url.netloc.decode()}"
            raise self._failure(error, address, proxy) from error
        except httpx.TransportError as error:
            raise PassingFault(f"the connection failed for {name}: {first_line(error)}") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise NetworkError(f"cannot fetch {name}: {first_line(error)}") from error

    def _failure(self, error: Exception, address: str, proxy: Proxy | None) -> NetworkError:
        """Say why no answer came from an address."""
        import httpx
        import httpx2

        if why := _certificate_problem(error):
            return distrusted(address, why, self._network.trusted)
        if proxy and isinstance(error, httpx.ProxyError | httpx2.ProxyError | _socks_error()):
            return refused_by_proxy(first_line(error), proxy)
        return unreachable(address, first_line(error), proxy)


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    target = url.join(location)
    if target.scheme not in ("http", "https") or not target.host:
        raise NetworkError(f"the hub redirects to {ascii(location)[:80]}, which is no web address")
    if url.scheme == "https" and target.scheme == "http":
        raise NetworkError(f"the hub redirects from https to http, at {target.host}")
    return target


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


def _socks_error() -> type[Exception]:
    """Return what a SOCKS proxy's bad answer raises: both HTTP libraries let it through."""
    from socksio import SOCKSError

    return SOCKSError


def _certificate_problem(error: BaseException | None) -> str:
    """Return why a certificate was not trusted; an empty text if that is not the cause."""
    import ssl

    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""
