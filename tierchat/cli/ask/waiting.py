"""What a person is told of the expected wait while a slow tier works. Does not print."""

from __future__ import annotations

import time
from collections.abc import Callable

from tierchat.terminal.tier_line import DOT, about, waiting_line

# A shorter wait is over before its line is read.
_LEAST_S = 2.0


class Waiting:
    """The expected end of the tier that works now."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._tier, self._expected_s, self._ends_s = "", 0.0, 0.0

    def begin(self, tier: str, expected_s: float) -> None:
        """Note that a tier begins, and how long its answer is expected to take."""
        self._tier, self._expected_s = tier, expected_s
        self._ends_s = self._now() + expected_s

    @property
    def line(self) -> str:
        """The line before a slow tier has given a sign of life; empty for a fast one."""
        return waiting_line(self._tier, self._expected_s) if self._is_slow else ""

    def with_rest(self, line: str) -> str:
        """Add the rest of the expected wait to a line, as long as it is not over."""
        left_s = self._ends_s - self._now()
        return f"{line} {DOT} {about(left_s)}" if self._is_slow and left_s > 0 else line

    @property
    def _is_slow(self) -> bool:
        return self._expected_s >= _LEAST_S
