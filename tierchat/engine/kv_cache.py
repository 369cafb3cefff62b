"""Which slot of the KV cache holds which tokens, so that prefixes are computed once.

Does not know llama.cpp: `Memory` is the seam. One owner, the engine thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Memory(Protocol):
    """What llama.cpp's memory can do for us."""

    def forget(self, slot: int, start: int) -> bool: ...
    def share(self, source: int, target: int, num_tokens: int) -> None: ...


@dataclass
class _Slot:
    tokens: list[int] = field(default_factory=list)
    is_busy: bool = False
    last_used: int = 0


class KvCache:
    """`max_sequences` slots over one pool of cells; idle slots keep their tokens for reuse."""

    def __init__(self, memory: Memory, max_sequences: int) -> None:
        self._memory = memory
        self._slots = [_Slot() for _ in range(max_sequences)]
        self._clock = 0

    @property
    def has_free_slot(self) -> bool:
        return any(not slot.is_busy for slot in self._slots)

    def acquire(self, tokens: list[int]) -> tuple[int, int]:
        """Take a slot for a prompt; returns it and how many leading tokens it already holds.

        At least the last token is always left to compute, since its logits are needed.
        """
        source, num_common = self._best_prefix(tokens)
        target = self._slot_to_take(source, num_common)
        if target != source:
            self._memory.forget(target, 0)
            if num_common:
                self._memory.share(source, target, num_common)
        elif not self._memory.forget(target, num_common):
            # Hybrid memories cannot roll back to any position: start again, correctly.
            self._memory.forget(target, 0)
            num_common = 0
        self._clock += 1
        self._slots[target] = _Slot(tokens[:num_common], True, self._clock)
        return target, num_common

    def extend(self, slot: int, tokens: list[int]) -> None:
        """Record tokens whose cells were just computed."""
        self._slots[slot].tokens += tokens

    def release(self, slot: int) -> None:
        """Give a slot back; its tokens stay for the next prompt that begins like them."""
        self._clock += 1
        self._slots[slot].is_busy = False
        self._slots[slot].last_used = self._clock

    def drop(self, slot: int) -> None:
        """Give a slot back and free its cells at once."""
        self._memory.forget(slot, 0)
        self._slots[slot] = _Slot()

    def evict(self) -> bool:
        """Free the cells of the idle slot unused for longest; False when none holds any."""
        idle = [i for i, slot in enumerate(self._slots) if slot.tokens and not slot.is_busy]
        if not idle:
            return False
        self.drop(min(idle, key=lambda i: self._slots[i].last_used))
        return True

    def _best_prefix(self, tokens: list[int]) -> tuple[int, int]:
        limit = len(tokens) - 1
        lengths = [_num_common(slot.tokens, tokens, limit) for slot in self._slots]
        best = max(range(len(lengths)), key=lengths.__getitem__)
        return best, lengths[best]

    def _slot_to_take(self, source: int, num_common: int) -> int:
        slot = self._slots[source]
        # A slot that is mostly this prompt continues in place; one that only shares a system
        # prompt keeps its conversation, and the prefix is shared with another slot.
        if num_common and not slot.is_busy and 2 * num_common >= len(slot.tokens):
            return source
        idle = [i for i, s in enumerate(self._slots) if not s.is_busy]
        others = [i for i in idle if i != source] or idle
        return min(others, key=lambda i: (bool(self._slots[i].tokens), self._slots[i].last_used))


def _num_common(held: list[int], wanted: list[int], limit: int) -> int:
    limit = min(limit, len(held))
    if held[:limit] == wanted[:limit]:
        return limit
    return next(i for i in range(limit) if held[i] != wanted[i])
