"""A call of a client: what it is, what it needs, and how it went.

Does not know any client; the other files of this folder register their calls with `call`.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TIMEOUT_S = 300.0
_MAX_SAID = 70


@dataclass(frozen=True)
class Place:
    """A server: its address without `/v1`, its key, and the name of the model to ask."""

    url: str
    key: str
    model: str
    data: str = ""

    @property
    def v1(self) -> str:
        return f"{self.url}/v1"


class Unmet(Exception):
    """What a client got is not what was to come."""


def expect(is_met: object, said: object) -> None:
    """Raise Unmet with what came instead, unless it is as expected."""
    if not is_met:
        raise Unmet(short(said))


def short(value: object, size: int = 160) -> str:
    """Return a value as one line of at most `size` characters, safe in a cell of a table."""
    text = " ".join(str(value).split()).replace("|", "¦")
    return text if len(text) <= size else text[: size - 1] + "…"


@dataclass(frozen=True)
class Call:
    """One call: `run` asks a place, raises if it is not answered well, and says what came."""

    package: str
    what: str
    run: Callable[[Place], object]

    def version(self) -> str | None:
        """Return the version of the package that makes the call; None if it is not installed."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None


@dataclass(frozen=True)
class Went:
    """How a call went at one place: `ok`, `fails` or `skipped`, and what came."""

    how: str
    said: str
    seconds: float = 0.0

    def cell(self) -> str:
        return f"{self.how}: {self.said}" if self.said else self.how


CALLS: list[Call] = []


def call(package: str, what: str) -> Callable[[Callable[[Place], object]], None]:
    """Register a call of a package."""

    def register(run: Callable[[Place], object]) -> None:
        CALLS.append(Call(package, what, run))

    return register


def went(made: Call, place: Place) -> Went:
    """Make a call at a place."""
    if made.version() is None:
        return Went("skipped", f"{made.package} is not installed")
    began_s = time.monotonic()
    try:
        how, said = "ok", short(made.run(place) or "", _MAX_SAID)
    except Unmet as unmet:
        how, said = "fails", str(unmet)
    except Exception as error:
        how, said = "fails", short(f"{type(error).__name__}: {error}")
    return Went(how, said, time.monotonic() - began_s)


def raised(kind: type[Exception], run: Callable[[], object]) -> Exception:
    """Return the error of a kind that `run` raises; Unmet if it raises none or another."""
    try:
        came = run()
    except kind as error:
        return error
    except Exception as error:
        raise Unmet(f"{type(error).__name__} instead of {kind.__name__}: {error}") from error
    raise Unmet(short(f"{kind.__name__} was to come, not {came}"))


def versions() -> Iterator[str]:
    """Name the packages of all calls with their versions."""
    for package in dict.fromkeys(made.package for made in CALLS):
        made = next(made for made in CALLS if made.package == package)
        yield f"{package} {made.version() or 'is not installed'}"
