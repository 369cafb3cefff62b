"""What went wrong between here and the hub, as errors that say what to do next.

Does not know HTTP libraries: it is given a status with headers, or the words of a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tierchat.errors import ModelMissing, NetworkError, TierchatError
from tierchat.models.hub.network import Proxy

_NO_NAME = (
    "name or service not known",
    "nodename nor servname",
    "temporary failure in name resolution",
    "no address associated",
    "name resolution",
    "getaddrinfo failed",
)


class PassingFault(NetworkError):
    """A failure of the network or the hub that may not happen at the next try."""

    def __init__(self, message: str, retry_after_s: float = 0, hint: str = "") -> None:
        super().__init__(message, hint or "try again later: what has arrived is kept")
        self.retry_after_s = retry_after_s


class RangeRefused(PassingFault):
    """The file on the hub ends before the requested offset."""


@dataclass(frozen=True)
class Refusals:
    """Makes the errors of one hub; `has_token` if requests carry a token."""

    endpoint: str
    has_token: bool

    def of_status(
        self, status: int, headers: Mapping[str, str], repo: str, revision: str, file: str | None
    ) -> TierchatError:
        """Return the error for a response that is a refusal."""
        page = f"{self.endpoint}/{repo}"
        if status in (408, 429) or status >= 500:
            after = headers.get("retry-after", "")
            wait_s = float(after) if after.isdecimal() and len(after) < 9 else 0.0
            return PassingFault(f"the hub cannot serve {repo} now (HTTP {status})", wait_s)
        if status == 401:
            why = "HF_TOKEN is refused" if self.has_token else "it is private, gated or missing"
            return NetworkError(
                f"the hub refuses access to {repo}: {why} (HTTP 401)",
                f"see {page}, and set HF_TOKEN to a token from {self.endpoint}/settings/tokens",
            )
        if status == 403:
            return NetworkError(
                f"the hub refuses access to {repo} (HTTP 403)",
                f"accept the licence at {page}, and set HF_TOKEN to a token that may read it",
            )
        if status == 404:
            return ModelMissing(
                f"the hub has no {_missing(headers, repo, revision, file)}", f"see {page}"
            )
        return NetworkError(f"the hub answers HTTP {status} for {repo}", f"see {page}")


def unreachable(address: str, why: str, proxy: Proxy | None) -> PassingFault:
    """Return the error for an address to which no connection came about, or that lost it."""
    over = f" over {proxy}" if proxy else ""
    if proxy:
        hint = f"check that the proxy runs, correct {proxy.variable} or unset it"
    elif any(words in why.casefold() for words in _NO_NAME):
        hint = "check that this machine is on the internet; behind a proxy, set HTTPS_PROXY"
    else:
        hint = "check the network; behind a proxy, set HTTPS_PROXY"
    return PassingFault(
        f"cannot reach {address}{over}: {why}",
        hint=f"{hint}; the same command goes on from here: what has arrived is kept",
    )


def refused_by_proxy(why: str, proxy: Proxy) -> NetworkError:
    """Return the error for a proxy that passes nothing on."""
    hint = f"correct {proxy.variable} or unset it"
    if "407" in why:
        hint = f"the proxy wants a login: write http://USER:PASSWORD@HOST:PORT in {proxy.variable}"
    return NetworkError(f"{proxy} refuses: {why}", hint)


def distrusted(host: str, why: str, trusted: str) -> NetworkError:
    """Return the error for a certificate that is not trusted; `trusted` is the setting that rules.

    A program in between, such as a company's firewall, signs with a certificate of its own.
    """
    whom = f" by {trusted}" if trusted else ""
    return NetworkError(
        f"the certificate of {host} is not trusted{whom}: {why}",
        "if a proxy or firewall signs connections anew, set SSL_CERT_FILE to its certificate (PEM)",
    )


def _missing(headers: Mapping[str, str], repo: str, revision: str, file: str | None) -> str:
    match headers.get("x-error-code"):
        case "RevisionNotFound":
            return f"revision {revision} of {repo}"
        case "RepoNotFound":
            return f"repo {repo}"
        case _:
            return f"{file} in {repo} at {revision}" if file else f"repo {repo}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, without the number of an OSError."""
    text = re.sub(r"^\[Errno -?\d+\] ", "", str(error).strip().split("\n")[0])
    return text or type(error).__name__
