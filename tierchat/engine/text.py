"""Turns the bytes of tokens into text that can be shown piece by piece: UTF-8, stop strings.

Does not know models or tokens.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Detokenizer:
    """Joins the bytes of tokens into whole characters; broken UTF-8 becomes U+FFFD.

    A character that is not finished when the text ends is left out.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: bytes) -> str:
        return self._decoder.decode(piece)

    def forget(self) -> None:
        """Leave out a character that is not finished."""
        self._decoder.reset()


class StopStrings:
    """Holds text back while it may be the beginning of a stop string; cuts at the first one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        # The stop string that was found.
        self.found = ""

    @property
    def is_stopped(self) -> bool:
        return bool(self.found)

    def add(self, text: str) -> str:
        """Return the text that may be shown now."""
        if self.is_stopped:
            return ""
        held = self._held + text
        places = {stop: at for stop in self._stops if (at := held.find(stop)) >= 0}
        if places:
            self.found, self._held = min(places, key=lambda stop: places[stop]), ""
            return held[: places[self.found]]
        keep = max((_overlap(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    def flush(self) -> str:
        """Return the text that was held back and did not become a stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that begins `stop`, less than all of it."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if text.endswith(stop[:n])), 0)
