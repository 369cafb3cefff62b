"""Bytes of tokens into text that is safe to show piece by piece: UTF-8, stops, repetition.

Does not know models or token ids, except as opaque numbers to compare.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence


class Detokenizer:
    """Joins token bytes and hands out whole characters only; broken UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: bytes) -> str:
        return self._decoder.decode(piece)

    def flush(self) -> str:
        """Return what is left; an unfinished character shows as U+FFFD."""
        return self._decoder.decode(b"", final=True)


class StopStrings:
    """Holds text back while it could still become a stop string, and cuts at the first one."""

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
        """Return what was held back in vain."""
        held, self._held = self._held, ""
        return held


class RepetitionDetector:
    """Notices when the last `window` tokens are one short phrase over and over."""

    def __init__(self, window: int = 64, max_period: int = 8) -> None:
        self._recent: deque[int] = deque(maxlen=window)
        self._max_period = max_period

    def is_repeating(self, token: int) -> bool:
        """Add a token and tell whether the window now has a period of at most `max_period`."""
        self._recent.append(token)
        if len(self._recent) < (self._recent.maxlen or 0):
            return False
        recent = list(self._recent)
        periods = range(1, self._max_period + 1)
        return any(recent[period:] == recent[:-period] for period in periods)


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`, shorter than `stop`."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if text.endswith(stop[:n])), 0)
