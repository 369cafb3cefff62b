"""One lesson of a cascade at a time: a lock that the teaching process holds.

Does not know what a lesson does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tierchat.errors import LessonRunning
from tierchat.paths import Paths, make_private
from tierchat.process_lock import Holder, ProcessLock, read_holder


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


def teacher(paths: Paths, cascade: str) -> Holder | None:
    """Return the process that teaches a cascade now, if one does."""
    return read_holder(paths.lesson_lock(cascade))


def _running(cascade: str, holder: Holder) -> LessonRunning:
    end = "" if holder.is_elsewhere else f", or end it with `kill {holder.pid}`"
    return LessonRunning(
        f"{cascade} is being taught by another process ({holder}, since {holder.begun})",
        f"wait until it is over{end}: its answers are kept, and the next lesson goes on with them",
    )
