"""Frames on their way to the parent; pieces of one answer are sent together.

Does not know sockets.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from tierchat.workers.child.connection import Connection
from tierchat.workers.protocol import Delta, FromWorker

_PIECES_S = 0.01


class Outbox:
    """Frames on their way out: pieces of text that come within 10 ms travel together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: list[FromWorker] = []
        # Where the last piece of each request waits: the next piece is added to it.
        self._open: dict[int, int] = {}
        self._last_sent_s = 0.0

    def add(self, frames: Iterable[FromWorker]) -> None:
        """Take frames, and send all at once if one of them is more than a piece of text."""
        is_urgent = False
        for frame in frames:
            is_urgent |= not isinstance(frame, Delta)
            if not isinstance(frame, Delta) or not self._join(frame):
                self._waiting.append(frame)
        if is_urgent:
            self.send()

    def send_due(self) -> None:
        """Send what waits, unless frames were sent a moment ago."""
        if self._waiting and time.monotonic() - self._last_sent_s >= _PIECES_S:
            self.send()

    def send(self) -> None:
        """Send what waits; raises OSError when the parent is gone."""
        self._connection.send(self._waiting)
        self._waiting, self._open = [], {}
        self._last_sent_s = time.monotonic()

    def _join(self, piece: Delta) -> bool:
        index = self._open.setdefault(piece.id, len(self._waiting))
        if index == len(self._waiting):
            return False
        earlier = self._waiting[index]
        if not isinstance(earlier, Delta) or bool(earlier.thought) != bool(piece.thought):
            self._open[piece.id] = len(self._waiting)
            return False
        self._waiting[index] = Delta(
            id=piece.id,
            answer=earlier.answer + piece.answer,
            thought=earlier.thought + piece.thought,
            logprobs=earlier.logprobs + piece.logprobs,
        )
        return True
