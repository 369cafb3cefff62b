"""Search an answer for a regular expression, for a bounded time.

Does not know prompts.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Of the processor. Some expressions, such as `(a+)+$`, take years for some answers.
_MAX_SECONDS = 1.0


class _TookTooLong(Exception):
    pass


def finds(pattern: str, text: str) -> bool | None:
    """Return whether a text holds a match; None where that takes too long to find out.

    Bounded in the main thread only, where Python hears signals, also within an expression.
    """
    if threading.current_thread() is not threading.main_thread():
        return re.search(pattern, text) is not None
    try:
        with _bounded():
            return re.search(pattern, text) is not None
    except _TookTooLong:
        return None


@contextmanager
def _bounded() -> Iterator[None]:
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TookTooLong
