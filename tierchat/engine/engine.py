"""Continuous batching: `step()` schedules, runs one decode, and returns one token per sequence.

Does not know text, gates or processes. One thread owns an Engine and everything in it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from tierchat.engine.kv_cache import KvCache
from tierchat.engine.limits import BATCH_SIZE, MAX_STATE_BYTES, num_outputs
from tierchat.engine.llama.context import Interrupted, LlamaContext
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.llama.sampler import Sampler
from tierchat.engine.logits import Distribution
from tierchat.engine.prompt_reader import scores_of
from tierchat.engine.scheduler import Chunk, Scheduler
from tierchat.engine.sequence import Sequence, Step
from tierchat.engine.threads import ThreadGovernor
from tierchat.errors import ContextTooLong, EngineCrashed, UsageError
from tierchat.types import KvType

# When hidden states are asked for, llama.cpp computes no logits for these architectures.
_STATES_WITHOUT_LOGITS = ("lfm2", "lfm2moe")


@dataclass(frozen=True)
class EngineLimits:
    """Sizes of an engine. `context` limits the tokens of one sequence, `num_cells` those of all.

    `max_state_bytes` limits the saved states of hybrid and recurrent models in RAM: one state of
    a published Qwen3.5 takes 19 MiB (0.8b) to 150 MiB (27b). `num_threads` is the most that are
    used; with `adapts_threads`, fewer where other programs take the cores.
    """

    context: int
    num_cells: int
    batch_size: int = BATCH_SIZE
    max_sequences: int = 16
    num_threads: int = 1
    adapts_threads: bool = True
    kv_type: KvType = "f16"
    max_state_bytes: int = MAX_STATE_BYTES

    @property
    def max_outputs(self) -> int:
        """For how many tokens of a batch logits can be computed."""
        return num_outputs(self.max_sequences)


class Engine:
    """Many sequences on one model: `add` them, then `step` until each is finished or cancelled."""

    def __init__(self, model: LlamaModel, limits: EngineLimits) -> None:
        if limits.context > limits.num_cells:
            raise ValueError(f"context {limits.context} exceeds {limits.num_cells} cells")
        self.model = model
        self.limits = limits
        self._context = LlamaContext(
            model,
            num_cells=limits.num_cells,
            batch_size=limits.batch_size,
            max_sequences=limits.max_sequences,
            num_threads=limits.num_threads,
            kv_type=limits.kv_type,
            max_outputs=limits.max_outputs,
        )
        self._cache = KvCache(self._context, limits.max_sequences, limits.max_state_bytes)
        self._scheduler = Scheduler(self._cache, limits.batch_size, limits.max_outputs)
        self._threads = ThreadGovernor(limits.num_threads)
        self._architecture = model.metadata("general.architecture")
        self._samplers: dict[int, Sampler] = {}

    @property
    def has_work(self) -> bool:
        return bool(self._scheduler.running or self._scheduler.waiting)

    @property
    def longer_context(self) -> str:
        """What to do for a longer context; empty where the model has no longer one."""
        longest = self.model.trained_context
        if longest <= self.limits.context:
            return ""
        return f"the model can read {longest} tokens if `context` in config.toml says so"

    def set_max_threads(self, num_threads: int) -> None:
        """Leave cores to other engines from the next decode on; `limits` are never exceeded."""
        self._threads.set_limit(num_threads)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence.

        Raises ContextTooLong when the context has no room for one generated token, and UsageError
        when the model cannot give the hidden states that the sequence asks for.
        """
        if not sequence.tokens:
            raise ValueError("a sequence needs at least one token")
        reads_states = sequence.reader is not None and sequence.reader.wants_states
        if (
            sequence.num_hidden_states or reads_states
        ) and self._architecture in _STATES_WITHOUT_LOGITS:
            raise UsageError(
                f"{self._architecture} models give no hidden states while they answer",
                "such a tier has no embeddings and no trained gate; set its gate to none",
            )
        if sequence.num_prompt_tokens >= self.limits.context:
            raise ContextTooLong(
                f"the prompt has {sequence.num_prompt_tokens} tokens, "
                f"the context is {self.limits.context}",
                self.longer_context,
                sequence.num_prompt_tokens,
            )
        self._samplers[sequence.id] = Sampler(
            self.model,
            sequence.sampling,
            sequence.banned,
            history=sequence.tokens,
            max_history=self.limits.context,
        )
        self._scheduler.add(sequence)

    def finish(self, sequence: Sequence) -> None:
        """Remove a sequence that ended, was stopped or was cancelled."""
        self._scheduler.finish(sequence)
        sampler = self._samplers.pop(sequence.id, None)
        if sampler:
            sampler.close()

    def step(self) -> list[Step]:
        """Compute one batch; return the new tokens, at most one per sequence.

        A returned token is already in `sequence.tokens`, but it is computed only in the next
        step: a sequence that is finished now costs nothing for it.
        """
        chunks = self._scheduler.schedule()
        if not chunks:
            return []
        try:
            while not self._decode(chunks):
                if not self._cache.evict() and self._scheduler.preempt() is None:
                    raise EngineCrashed("one sequence alone does not fit the KV cache")
                chunks = self._scheduler.schedule(admit=False)
        except Interrupted:
            self._scheduler.undo(chunks)
            return []
        self._record(chunks)
        return self._draw(chunks)

    def interrupt(self) -> None:
        """End the decode under way; the next `step` repeats it. Any thread may call this."""
        self._context.interrupt()

    def go_on(self) -> None:
        """Let decodes run to their end again after `interrupt`."""
        self._context.go_on()

    def close(self) -> None:
        """Free samplers and context; the caller closes the model."""
        for sampler in self._samplers.values():
            sampler.close()
        self._samplers.clear()
        self._context.close()

    def _decode(self, chunks: list[Chunk]) -> bool:
        tokens: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        outputs: list[bool] = []
        for chunk in chunks:
            sequence, start = chunk.sequence, chunk.sequence.num_computed
            end = start + chunk.num_tokens
            tokens += sequence.tokens[start:end]
            positions += range(start, end)
            slots += [sequence.slot or 0] * chunk.num_tokens
            outputs += [sequence.is_read_whole] * (chunk.num_tokens - 1)
            outputs.append(sequence.is_read_whole or chunk.is_last)
        wants_hidden = any(_wants_states(chunk) for chunk in chunks)
        self._context.set_threads(self._threads.choose(len(tokens), time.perf_counter()))
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        is_done = self._context.decode(
            tokens, positions, slots, outputs, wants_hidden_state=wants_hidden
        )
        if is_done and self.limits.adapts_threads:
            now_s, cpu_s = time.perf_counter(), time.process_time() - began_cpu_s
            self._threads.record(len(tokens), now_s - began_s, cpu_s, now_s)
        return is_done

    def _record(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            sequence = chunk.sequence
            assert sequence.slot is not None
            end = sequence.num_computed + chunk.num_tokens
            self._cache.extend(sequence.slot, sequence.tokens[sequence.num_computed : end])
            sequence.num_computed = end

    def _draw(self, chunks: list[Chunk]) -> list[Step]:
        steps, row = [], -1
        for chunk in chunks:
            if chunk.sequence.is_read_whole:
                self._read_prompt(chunk, row + 1)
            row += chunk.num_tokens
            if chunk.sequence.num_left == 0:
                steps.append(self._draw_one(chunk.sequence, row))
        return steps

    def _read_prompt(self, chunk: Chunk, first_row: int) -> None:
        reader = chunk.sequence.reader
        assert reader is not None
        read = self._context.hidden_state if reader.wants_states else self._context.logits
        start = chunk.sequence.num_computed - chunk.num_tokens
        for index in range(chunk.num_tokens):
            reader.take(start + index, read(first_row + index))

    def _draw_one(self, sequence: Sequence, row: int) -> Step:
        signals = logprob = hidden = scores = None
        grammar = sequence.grammar
        if sequence.wants_hidden_state:
            hidden = self._context.hidden_state(row)
        token = self._samplers[sequence.id].sample(self._context, row, grammar)
        # Samplers draw a token from any numbers, finite or not. Where the signals are not read,
        # one logit is checked instead of all.
        is_broken = not math.isfinite(self._context.logit(row, token))
        if sequence.reads_signals:
            logits = self._context.logits(row)
            is_broken = is_broken or not np.isfinite(logits).all()
            if not is_broken:
                distribution = Distribution(logits)
                signals = distribution.signals(
                    sequence.escalate_token, sequence.num_prompt_tokens, sequence.watched
                )
                logprob = distribution.logprob(token)
        if sequence.num_logprobs is not None and not is_broken:
            scores = scores_of(self._context.logits(row), token, sequence.num_logprobs)
        sequence.tokens.append(token)
        return Step(
            sequence=sequence,
            token=token,
            is_end=self.model.is_end(token),
            is_control=self.model.is_control(token),
            signals=signals,
            logprob=logprob,
            is_broken=is_broken,
            is_complete=grammar is not None and grammar.is_complete,
            problem=grammar.problem if grammar else "",
            hidden_state=hidden,
            scores=scores,
        )


def _wants_states(chunk: Chunk) -> bool:
    sequence = chunk.sequence
    if sequence.is_read_whole and sequence.reader is not None:
        return sequence.reader.wants_states
    return chunk.is_last and sequence.wants_hidden_state
