"""The progress of a long job: on a terminal a bar with rate and time left, else a line at times.

Does not know what is counted.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from tierchat.terminal.output import Output
from tierchat.terminal.units import duration_text, size_text

_LINE_EVERY_S = 10.0


@contextlib.contextmanager
def arriving(output: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is called with the bytes that have arrived, and the total."""
    if output.is_quiet:
        yield lambda _done, _total: None
    elif output.is_err_terminal:
        yield from _bar(output, what, is_bytes=True)
    else:
        yield _Lines(output, what, is_bytes=True)


class Bars:
    """The progress of several files in turn, each with its own bar."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._what = ""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def tell(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` bytes have arrived; a new name closes the previous bar."""
        if what != self._what:
            self.close()
            self._what = what
            self._move = self._stack.enter_context(arriving(self._output, what))
        self._move(done, total)

    def close(self) -> None:
        """Remove the bar."""
        self._stack.close()
        self._what = ""


class Phases:
    """The progress of a job in several phases, each with its own bar and its own end."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stack = contextlib.ExitStack()
        self._move: Callable[[int, int], None] = lambda _done, _total: None

    def __enter__(self) -> Phases:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def begin(self, what: str, ends_s: float | None = None) -> None:
        """Begin a phase; `ends_s`, by the monotonic clock, is when it ends as far as known."""
        self.close()
        by = ""
        if ends_s is not None and ends_s != math.inf:
            at = time.localtime(time.time() + ends_s - time.monotonic())
            by = f" (until {time.strftime('%H:%M:%S', at)})"
        self._move = self._stack.enter_context(counting(self._output, f"{what}{by}"))

    def tell(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps of this phase are over."""
        self._move(done, total)

    def close(self) -> None:
        """Remove the bar."""
        self._stack.close()
        self._move = lambda _done, _total: None


@contextlib.contextmanager
def counting(output: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is called with the number done, and the total."""
    if output.is_quiet:
        yield lambda _done, _total: None
    elif output.is_err_terminal:
        yield from _bar(output, what)
    else:
        yield _Lines(output, what)


def _bar(output: Output, what: str, is_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn() if is_bytes else MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    shown = _size_rate if is_bytes else _count_rate
    console = Console(stderr=True, highlight=False)

    def above(text: str) -> None:
        # Our lines are styled and broken already.
        console.print(Text.from_ansi(text.removesuffix("\n")), soft_wrap=True)

    with (
        Progress(*columns, console=console, transient=True) as progress,
        output.lines_go(above),
    ):
        task = progress.add_task(what, total=None, rate="")
        rate = _Rate()

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, rate=shown(rate(done)))

        yield tell


class _Rate:
    """The rate per second, not counting what was done before the first call."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int) -> float:
        now = time.monotonic()
        if self._first is None or done < self._first[1]:
            self._first = (now, done)
        return (done - self._first[1]) / max(now - self._first[0], 1e-3)


class _Lines:
    """Writes a line of progress every few seconds."""

    def __init__(self, output: Output, what: str, is_bytes: bool = False) -> None:
        self._output, self._what, self._rate = output, what, _Rate()
        self._shown = size_text if is_bytes else _whole
        self._pace = _size_rate if is_bytes else _count_rate
        self._last_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        rate = self._rate(done)
        if time.monotonic() - self._last_s > _LINE_EVERY_S:
            self._last_s = time.monotonic()
            left = f", {duration_text((total - done) / rate)} left" if rate else ""
            counts = f"{self._shown(done)} of {self._shown(total)}"
            pace = f", {self._pace(rate)}" if rate else ""
            self._output.note(f"{self._what}: {counts}{pace}{left}")


def _whole(number: float) -> str:
    return f"{number:.0f}"


def _size_rate(rate: float) -> str:
    return f"{size_text(rate)}/s"


def _count_rate(rate: float) -> str:
    """Write a rate per second, or per minute where nothing would be left of it."""
    if not rate:
        return ""
    if rate < 1:
        return f"{60 * rate:.0f}/min" if rate > 1 / 60 else f"{3600 * rate:.0f}/h"
    return f"{rate:.1f}/s" if rate < 10 else f"{rate:.0f}/s"
