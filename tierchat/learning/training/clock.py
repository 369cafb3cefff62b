"""The time of a lesson: what is left for answers, and how many prompts that is.

Does not know prompts or models; it is told how fast they are.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

# Kept for a fit whose time is not known yet.
_FIT_SHARE, _LEAST_FIT_S, _MOST_FIT_SHARE = 0.1, 20.0, 0.4
# A fit on a few more prompts takes longer than the last one.
_FIT_GROWTH = 1.5


class LessonClock:
    """Runs from the moment it is made; with 0 `seconds` the time has no end."""

    def __init__(self, seconds: float) -> None:
        self._began_s = time.monotonic()
        self._seconds = seconds
        self._fit_s = min(max(_FIT_SHARE * seconds, _LEAST_FIT_S), _MOST_FIT_SHARE * seconds)
        self._has_fitted = False
        # As measured; 0 while nothing had to be answered.
        self.seconds_per_prompt = 0.0

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self._began_s

    @property
    def ends_s(self) -> float:
        """When all must be over, by the monotonic clock."""
        return self._began_s + self._seconds if self._seconds else math.inf

    @property
    def answers_until_s(self) -> float:
        """When the next fit must begin, by the monotonic clock."""
        return self.ends_s - self._fit_s

    @property
    def fit_ends_s(self) -> float | None:
        """When a fit that begins now will be over; None before the first."""
        return time.monotonic() + self._fit_s if self._has_fitted else None

    def affordable(self, num: int) -> int:
        """Return how many of `num` prompts can be answered and graded before the next fit."""
        left_s = self.answers_until_s - time.monotonic()
        if not self.seconds_per_prompt or left_s == math.inf:
            return num if left_s > 0 else 0
        return max(0, min(num, int(left_s / self.seconds_per_prompt)))

    @contextlib.contextmanager
    def fitting(self) -> Iterator[None]:
        """Measure a fit: the next one will take longer."""
        began_s = time.monotonic()
        yield
        self._fit_s, self._has_fitted = _FIT_GROWTH * (time.monotonic() - began_s), True
