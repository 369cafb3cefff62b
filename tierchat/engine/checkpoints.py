"""Saved states of slots whose memory cannot roll back, bounded in number and in bytes.

Does not know llama.cpp or what a state contains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

State = npt.NDArray[np.uint8]
# The first state of a slot serves other conversations with the same beginning, the last ones
# serve its own conversation.
_MAX_PER_SLOT = 4


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of `slot` after its first `num_tokens` tokens; valid while their cells exist."""

    slot: int
    num_tokens: int
    state: State


class Checkpoints:
    """The saved states, the least recently used first; that one is also dropped first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: list[Checkpoint] = []

    @property
    def size_bytes(self) -> int:
        # Slots with a common beginning share the bytes of its state.
        return sum({id(kept.state): kept.state.nbytes for kept in self._kept}.values())

    def add(self, slot: int, num_tokens: int, state: State) -> None:
        """Keep a state, unless it alone exceeds the limit; drop the oldest until the rest fits."""
        if state.nbytes > self._max_bytes:
            return
        self._add(Checkpoint(slot, num_tokens, state))
        while self.size_bytes > self._max_bytes:
            self._kept.pop(0)

    def longest(self, slot: int, max_tokens: int) -> int:
        """Return the length of the longest state of a slot that covers at most `max_tokens`."""
        return max(
            (kept.num_tokens for kept in self._of(slot) if kept.num_tokens <= max_tokens), default=0
        )

    def take(self, slot: int, num_tokens: int) -> State | None:
        """Return the state after exactly `num_tokens` and mark it as the most recently used."""
        checkpoint = next((kept for kept in self._of(slot) if kept.num_tokens == num_tokens), None)
        if checkpoint is None:
            return None
        self._kept.remove(checkpoint)
        self._kept.append(checkpoint)
        return checkpoint.state

    def copy(self, source: int, target: int, num_tokens: int) -> None:
        """Give `target` the states of `source` that cover at most `num_tokens` tokens."""
        for kept in self._of(source):
            if kept.num_tokens <= num_tokens:
                self._add(replace(kept, slot=target))

    def cut(self, slot: int, num_tokens: int) -> None:
        """Drop the states of a slot that cover more than its first `num_tokens` tokens."""
        self._kept = [k for k in self._kept if k.slot != slot or 0 < k.num_tokens <= num_tokens]

    def _add(self, new: Checkpoint) -> None:
        own = sorted(self._of(new.slot), key=lambda kept: kept.num_tokens)
        same = [kept for kept in own if kept.num_tokens == new.num_tokens]
        for old in same or own[1 : len(own) - _MAX_PER_SLOT + 2]:
            self._kept.remove(old)
        self._kept.append(new)

    def _of(self, slot: int) -> list[Checkpoint]:
        return [kept for kept in self._kept if kept.slot == slot]
