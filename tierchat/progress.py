"""How far a long job is: a bar with rate and time left on a terminal, else a line now and then.

Does not know what is counted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from tierchat.output import Output

_LINE_EVERY_S = 10.0


@contextlib.contextmanager
def counting(output: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function to be told (done, of all)."""
    if output.is_quiet:
        yield lambda _done, _total: None
    elif output.is_err_terminal:
        yield from _bar(what)
    else:
        yield _Lines(output, what)


def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, rate=0.0)
        rate = _Rate()

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, rate=rate(done))

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

    def __init__(self, output: Output, what: str) -> None:
        self._output, self._what, self._rate = output, what, _Rate()
        self._last_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        rate = self._rate(done)
        if time.monotonic() - self._last_s > _LINE_EVERY_S:
            self._last_s = time.monotonic()
            left = f", {(total - done) / rate:.0f} s left" if rate else ""
            self._output.note(f"{self._what}: {done} of {total}, {rate:.0f}/s{left}")
