"""Turns the bytes of tokens into text that can be shown piece by piece: UTF-8, stops, repetition.

Does not know models; token ids are numbers to compare.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence


class Detokenizer:
    """Joins the bytes of tokens into whole characters; broken UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: bytes) -> str:
        return self._decoder.decode(piece)

    def flush(self) -> str:
        """Return the rest; an unfinished character becomes U+FFFD."""
        return self._decoder.decode(b"", final=True)


class StopStrings:
    """Holds text back while it may be the beginning of a stop string; cuts at the first one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.is_stopped = False

    def add(self, text: str) -> str:
        """Return the text that may be shown now."""
        if self.is_stopped:
            return ""
        held = self._held + text
        found = [at for stop in self._stops if (at := held.find(stop)) >= 0]
        if found:
            self.is_stopped, self._held = True, ""
            return held[: min(found)]
        keep = max((_overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def flush(self) -> str:
        """Return the text that was held back and did not become a stop string."""
        held, self._held = self._held, ""
        return held


class RepetitionDetector:
    """Notices that the last `window` tokens repeat one short phrase."""

    def __init__(self, window: int = 64, max_period: int = 8) -> None:
        self._recent: deque[int] = deque(maxlen=window)
        self._max_period = max_period

    def is_repeating(self, token: int) -> bool:
        """Add a token; return whether the window now has a period of at most `max_period`."""
        self._recent.append(token)
        if len(self._recent) < (self._recent.maxlen or 0):
            return False
        recent = list(self._recent)
        periods = range(1, self._max_period + 1)
        return any(recent[period:] == recent[:-period] for period in periods)


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that begins `stop`, less than all of it."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if text.endswith(stop[:n])), 0)
