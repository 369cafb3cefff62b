"""How far a long job is: a bar with rate and time left on a terminal, else a line now and then.

Does not know what is counted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from tierchat.terminal.output import Output
from tierchat.terminal.units import size_text

_LINE_EVERY_S = 10.0


@contextlib.contextmanager
def arriving(output: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function to be told how many bytes of how many are there."""
    if output.is_quiet:
        yield lambda _done, _total: None
    elif output.is_err_terminal:
        yield from _bar(what, is_bytes=True)
    else:
        yield _Lines(output, what, is_bytes=True)


class Bars:
    """Progress of one file after another, each with a bar of its own."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._what = ""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def tell(self, what: str, done: int, total: int) -> None:
        """Show that `done` bytes of `total` are there; a new name closes the bar before."""
        if what != self._what:
            self.close()
            self._what = what
            self._move = self._stack.enter_context(arriving(self._output, what))
        self._move(done, total)

    def close(self) -> None:
        """Take the bar away."""
        self._stack.close()
        self._what = ""


@contextlib.contextmanager
def counting(output: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function to be told (done, of all)."""
    if output.is_quiet:
        yield lambda _done, _total: None
    elif output.is_err_terminal:
        yield from _bar(what)
    else:
        yield _Lines(output, what)


def _bar(what: str, is_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn() if is_bytes else MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    shown = size_text if is_bytes else _whole
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, rate=shown(0))
        rate = _Rate()

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, rate=shown(rate(done)))

        yield tell


class _Rate:
    """Counts per second since what was there before the first word."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int) -> float:
        now = time.monotonic()
        if self._first is None or done < self._first[1]:
            self._first = (now, done)
        return (done - self._first[1]) / max(now - self._first[0], 1e-3)


class _Lines:
    """A line of progress every few seconds."""

    def __init__(self, output: Output, what: str, is_bytes: bool = False) -> None:
        self._output, self._what, self._rate = output, what, _Rate()
        self._shown = size_text if is_bytes else _whole
        self._last_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        rate = self._rate(done)
        if time.monotonic() - self._last_s > _LINE_EVERY_S:
            self._last_s = time.monotonic()
            left = f", {(total - done) / rate:.0f} s left" if rate else ""
            counts = f"{self._shown(done)} of {self._shown(total)}"
            self._output.note(f"{self._what}: {counts}, {self._shown(rate)}/s{left}")


def _whole(number: float) -> str:
    return f"{number:.0f}"
