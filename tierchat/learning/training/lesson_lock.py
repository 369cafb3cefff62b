"""One lesson of a cascade at a time: a lock that the teaching process holds.

Does not know what a lesson does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

from tierchat.errors import LessonRunning
from tierchat.paths import Paths, make_private
from tierchat.process_lock import Holder, ProcessLock, read_holder

# The note in the lock of a lesson that the daemon runs.
IN_IDLE_TIME = "in idle time"
_END_S, _POLL_S = 10.0, 0.05


@contextlib.contextmanager
def one_lesson(paths: Paths, cascade: str, note: str = "") -> Iterator[None]:
    """Hold the lock of a cascade's lessons; raises LessonRunning while another process does."""
    make_private(paths.lessons_dir)
    lock = ProcessLock(paths.lesson_lock(cascade))
    try:
        if not lock.take(note):
            raise _running(cascade, lock.holder())
        yield
    finally:
        lock.release()


def end_idle_lesson(paths: Paths, cascade: str) -> bool:
    """End a lesson that a cascade gives itself, as a person wants to teach it; False without one.

    Its answers are kept, and the daemon goes on when the lock is free.
    """
    holder = teacher(paths, cascade)
    if holder is None or holder.note != IN_IDLE_TIME or holder.is_elsewhere:
        return False
    ends_s = time.monotonic() + _END_S
    while teacher(paths, cascade) == holder and time.monotonic() < ends_s:
        with contextlib.suppress(ProcessLookupError, ValueError):
            for number in (signal.SIGTERM, signal.SIGCONT):
                os.kill(int(holder.pid), number)
        time.sleep(_POLL_S)
    return True


def teacher(paths: Paths, cascade: str) -> Holder | None:
    """Return the process that teaches a cascade now, if one does."""
    return read_holder(paths.lesson_lock(cascade))


def _running(cascade: str, holder: Holder) -> LessonRunning:
    end = "" if holder.is_elsewhere else f", or end it with `kill {holder.pid}`"
    return LessonRunning(
        f"{cascade} is being taught by another process ({holder}, since {holder.begun})",
        f"wait until it is over{end}: its answers are kept, and the next lesson goes on with them",
    )
