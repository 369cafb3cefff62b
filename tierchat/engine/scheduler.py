"""Which tokens go into the next batch: those of decoding sequences first, then prompts in order.

Does not know llama.cpp; it moves sequences between waiting and running.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tierchat.engine.kv_cache import KvCache
from tierchat.engine.sequence import Sequence

# How many tokens at the end of a prompt go into the batch that reads its hidden state, at most.
_MAX_TAIL = 32


@dataclass(frozen=True)
class Chunk:
    """The next `num_tokens` of a sequence; after the last chunk its next token can be drawn."""

    sequence: Sequence
    num_tokens: int

    @property
    def is_last(self) -> bool:
        return self.num_tokens == self.sequence.num_left


class Scheduler:
    """First come, first served, except that a decoding sequence never waits for a prompt.

    A batch that reads hidden states has at most `max_outputs` tokens: llama.cpp computes the
    logits of all its tokens, and allocates memory for that.
    """

    def __init__(self, cache: KvCache, batch_size: int, max_outputs: int) -> None:
        self._cache = cache
        self._batch_size = batch_size
        self._max_outputs = min(max_outputs, batch_size)
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        # Since a sequence was preempted, none has left: what is admitted now would be preempted.
        self._is_full = False

    def add(self, sequence: Sequence) -> None:
        self.waiting.append(sequence)

    def schedule(self, *, admit: bool = True) -> list[Chunk]:
        """Admit waiting sequences to free slots and fill one batch of at most `batch_size` tokens.

        The retry after a preemption passes `admit` False: the preempted sequence must wait.
        """
        while admit and self.waiting and self._has_room:
            sequence = self.waiting.popleft()
            sequence.slot, num_held = self._cache.acquire(
                sequence.tokens,
                sequence.num_prompt_tokens,
                reuses=not sequence.reads_afresh,
            )
            if sequence.num_generated == 0:
                sequence.num_cached = num_held
            sequence.num_computed = num_held
            self.running.append(sequence)
        return self._fill()

    @property
    def _has_room(self) -> bool:
        return self._cache.has_free_slot and not (self._is_full and self.running)

    def _fill(self) -> list[Chunk]:
        room, num_taken = self._batch_size, 0
        chunks: list[Chunk] = []
        for sequence in sorted(self.running, key=lambda s: s.num_left > 1):
            num = min(room, sequence.num_left)
            if num > 1 and sequence.slot is not None:
                num = self._cache.clip(sequence.slot, num)
            if sequence.is_read_whole:
                num = max(0, min(num, self._max_outputs - num_taken))
                room = min(room, max(self._max_outputs - num_taken, num))
            elif num == sequence.num_left and sequence.wants_hidden_state:
                if num_taken + num > self._max_outputs:
                    # The end of the prompt goes into a later batch. Where many run, it is short:
                    # each of them may take an output, too, and more such ends fit into that batch.
                    num -= min(num, _MAX_TAIL, max(1, self._max_outputs // len(self.running)))
                else:
                    room = min(room, self._max_outputs - num_taken)
            if num == 0:
                continue
            chunks.append(Chunk(sequence, num))
            num_taken += num
            room -= num
        return chunks

    def finish(self, sequence: Sequence) -> None:
        """Remove a waiting or running sequence; its computed tokens stay cached, unless nobody
        will go on with them.
        """
        if sequence in self.running:
            self.running.remove(sequence)
            self._is_full = False
            if sequence.slot is not None:
                leave = self._cache.drop if sequence.is_background else self._cache.release
                leave(sequence.slot)
                sequence.slot = None
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def undo(self, chunks: list[Chunk]) -> None:
        """Forget a batch that was not computed to its end, so that it can be scheduled again."""
        if self._cache.can_roll_back:
            return
        # The state may hold a part of the batch: these sequences are read again from the start.
        for chunk in chunks:
            sequence = chunk.sequence
            if sequence.slot is not None:
                self._cache.drop(sequence.slot)
                sequence.slot = None
            sequence.num_computed = 0
            self.running.remove(sequence)
            self.waiting.appendleft(sequence)

    def preempt(self) -> Sequence | None:
        """Return the youngest running sequence to the queue and free its cells.

        None if fewer than two are running. Nothing is admitted then until a sequence has left:
        it would be read only to be preempted again.
        """
        if len(self.running) < 2:
            return None
        sequence = self.running.pop()
        self._is_full = True
        if sequence.slot is not None:
            self._cache.drop(sequence.slot)
            sequence.slot = None
        sequence.num_computed = 0
        self.waiting.appendleft(sequence)
        return sequence
