"""Whose line it is, where several commands write into one pipe or file. Does not know answers.

With `xargs -P8` all commands share one pipe: a line that is written in pieces would be mixed with
the lines of others. A lock of the kernel on the pipe itself belongs to one process at a time, and
ends with it.
"""

from __future__ import annotations

import fcntl
import time

_POLL_S = 0.02


class LineLock:
    """The right to write into one descriptor; without one, or without locks, always granted."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._is_held = False

    def take(self, wait_s: float = 0.0) -> bool:
        """Take the right to write, wait for it at most `wait_s`; return whether we have it."""
        ends_s = time.monotonic() + wait_s
        while not self._is_held:
            self._is_held = self._try()
            if self._is_held or time.monotonic() >= ends_s:
                break
            time.sleep(_POLL_S)
        return self._is_held

    def give_back(self) -> None:
        """Let others write."""
        if self._is_held and self._descriptor is not None:
            self._lock(self._descriptor, fcntl.LOCK_UN)
        self._is_held = False

    def _try(self) -> bool:
        return self._descriptor is None or self._lock(
            self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB
        )

    @staticmethod
    def _lock(descriptor: int, how: int) -> bool:
        try:
            fcntl.lockf(descriptor, how)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            # Locks do not exist here, as on some network drives.
            return True
        return True
