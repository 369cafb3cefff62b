"""Which slot of the KV cache holds which tokens, so that shared prefixes are computed once.

Does not know llama.cpp: `Memory` is the seam. The engine thread owns it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from tierchat.engine.checkpoints import Checkpoints, State

# The next turn of a conversation repeats all but the last few tokens of this prompt: templates
# open a new answer, or the thought before it, with other tokens than they write around an answer
# that was given.
_NUM_UNSTABLE_TOKENS = 16
# Saving a state ends a batch early; computing fewer tokens than this again is cheaper.
_MIN_TOKENS_TO_SAVE = 32


class Memory(Protocol):
    """The operations of llama.cpp's memory.

    Without `can_roll_back` a slot can go back only to a state that was saved in it; `share` then
    copies the whole slot, and `restore_state` must come before `forget`.
    """

    @property
    def can_roll_back(self) -> bool: ...
    def forget(self, slot: int, start: int) -> bool: ...
    def share(self, source: int, target: int, num_tokens: int) -> None: ...
    def save_state(self, slot: int) -> State: ...
    def restore_state(self, slot: int, state: State) -> bool: ...


@dataclass
class _Slot:
    tokens: list[int] = field(default_factory=list)
    is_busy: bool = False
    last_used: int = 0
    # The numbers of tokens after which the state is saved, ascending.
    marks: list[int] = field(default_factory=list)


class KvCache:
    """`max_sequences` slots that share one pool of cells; idle slots keep their tokens for reuse.

    `max_state_bytes` limits the saved states of a memory that cannot roll back.
    """

    def __init__(self, memory: Memory, max_sequences: int, max_state_bytes: int = 0) -> None:
        self._memory = memory
        self._slots = [_Slot() for _ in range(max_sequences)]
        self._checkpoints = Checkpoints(max_state_bytes)
        self._clock = 0

    @property
    def can_roll_back(self) -> bool:
        """Whether slots can forget their last tokens."""
        return self._memory.can_roll_back

    @property
    def has_free_slot(self) -> bool:
        return any(not slot.is_busy for slot in self._slots)

    def acquire(
        self, tokens: list[int], num_prompt_tokens: int, *, reuses: bool = True
    ) -> tuple[int, int]:
        """Take a slot for a sequence; return the slot and how many leading tokens it already holds.

        None if it `reuses` none. The last token is never among these: computing it gives the logits
        of the next one.
        """
        limit = len(tokens) - 1 if reuses else 0
        common = [_num_common(slot.tokens, tokens, limit) for slot in self._slots]
        usable = [self._num_usable(slot, num) for slot, num in enumerate(common)]
        source = max(range(len(usable)), key=usable.__getitem__)
        target = self._slot_to_take(source, usable[source])
        num_held = self._carry_over(source, target, usable[source])
        self._clock += 1
        self._slots[target] = _Slot(tokens[:num_held], True, self._clock)
        if not self._memory.can_roll_back:
            self._slots[target].marks = _marks(num_held, max(common), num_prompt_tokens)
        return target, num_held

    def clip(self, slot: int, num_tokens: int) -> int:
        """Return how many of `num_tokens` come before the state is saved next."""
        held = self._slots[slot]
        return min(num_tokens, held.marks[0] - len(held.tokens)) if held.marks else num_tokens

    def extend(self, slot: int, tokens: list[int]) -> None:
        """Record tokens whose cells were just computed; save the state where one is due."""
        held = self._slots[slot]
        held.tokens += tokens
        if held.marks and held.marks[0] == len(held.tokens):
            held.marks.pop(0)
            self._checkpoints.add(slot, len(held.tokens), self._memory.save_state(slot))

    def release(self, slot: int) -> None:
        """Make a slot idle; its tokens stay for the next prompt that begins with them."""
        self._clock += 1
        self._slots[slot].is_busy = False
        self._slots[slot].last_used = self._clock

    def drop(self, slot: int) -> None:
        """Make a slot idle and free its cells at once."""
        self._memory.forget(slot, 0)
        self._checkpoints.cut(slot, 0)
        self._slots[slot] = _Slot()

    def evict(self) -> bool:
        """Free the cells of the least recently used idle slot; False when no idle slot has any."""
        idle = [i for i, slot in enumerate(self._slots) if slot.tokens and not slot.is_busy]
        if not idle:
            return False
        self.drop(min(idle, key=lambda i: self._slots[i].last_used))
        return True

    def _num_usable(self, slot: int, num_common: int) -> int:
        """Return how many of the `num_common` shared leading tokens can be reused."""
        if self._memory.can_roll_back or num_common == len(self._slots[slot].tokens):
            return num_common
        return self._checkpoints.longest(slot, num_common)

    def _carry_over(self, source: int, target: int, num_tokens: int) -> int:
        """Copy the first tokens of `source` to `target`; return how many `target` then holds."""
        num_present = len(self._slots[source].tokens)
        if target != source:
            self._memory.forget(target, 0)
            self._checkpoints.cut(target, 0)
            if num_tokens:
                self._memory.share(source, target, num_tokens)
                self._checkpoints.copy(source, target, num_tokens)
        if not self._cut(target, num_present, num_tokens):
            # The state of other tokens would make every answer wrong: compute everything again.
            self._memory.forget(target, 0)
            num_tokens = 0
        self._checkpoints.cut(target, num_tokens)
        return num_tokens

    def _cut(self, slot: int, num_present: int, num_tokens: int) -> bool:
        """Cut a slot of `num_present` tokens to its first `num_tokens`; False if memory cannot."""
        if not self._memory.can_roll_back and num_tokens not in (0, num_present):
            state = self._checkpoints.take(slot, num_tokens)
            if state is None or not self._memory.restore_state(slot, state):
                return False
        return self._memory.forget(slot, num_tokens)

    def _slot_to_take(self, source: int, num_common: int) -> int:
        slot = self._slots[source]
        # A slot whose tokens are mostly in this prompt is continued in place. A slot that shares
        # only a system prompt keeps its conversation; another slot takes over the prefix.
        if num_common and not slot.is_busy and 2 * num_common >= len(slot.tokens):
            return source
        idle = [i for i, s in enumerate(self._slots) if not s.is_busy]
        others = [i for i in idle if i != source] or idle
        return min(others, key=lambda i: (bool(self._slots[i].tokens), self._slots[i].last_used))


def _marks(num_held: int, num_common: int, num_prompt_tokens: int) -> list[int]:
    """Choose after how many tokens of a prompt the state is saved, ascending.

    Once where the prompt departs from another one, since further prompts may depart there too;
    and once before its unstable end, for the next turn.
    """
    end = num_prompt_tokens - _NUM_UNSTABLE_TOKENS
    marks, last = [], num_held
    for mark in (min(num_common, end), end):
        if mark - last >= _MIN_TOKENS_TO_SAVE:
            marks.append(mark)
            last = mark
    return marks


def _num_common(held: list[int], wanted: list[int], limit: int) -> int:
    limit = min(limit, len(held))
    if held[:limit] == wanted[:limit]:
        return limit
    return next(i for i in range(limit) if held[i] != wanted[i])
