"""One request inside the engine: its tokens, and how many of them are computed.

Does not know llama.cpp, text, or what a slot contains.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tierchat.engine.grammar import Grammar
from tierchat.engine.prompt_reader import PromptReader, Scores
from tierchat.types import Sampling, Signals


@dataclass(eq=False)
class Sequence:
    """A running request; `tokens` are those of the prompt and the generated ones.

    Owned by the engine thread. The reader of signals clears `reads_signals` when it needs no more
    of them: reading costs a pass over the vocabulary per token. The final hidden state is copied
    at the last position of the prompt and at the next `num_hidden_states - 1` positions. The
    `reader` gets what is computed at every position of the prompt. With `num_logprobs`, each drawn
    token comes with its log-probability and those of so many likely tokens. The
    probabilities of `watched` tokens are read with the signals. Only tokens that the `grammar`
    allows are drawn. Nobody goes on with what an `is_background` sequence held, so that its cells
    are free when it ends.
    """

    id: int
    tokens: list[int]
    sampling: Sampling
    banned: tuple[int, ...] = ()
    escalate_token: int | None = None
    reads_signals: bool = True
    num_hidden_states: int = 0
    watched: tuple[int, ...] = ()
    grammar: Grammar | None = None
    is_background: bool = False
    num_logprobs: int | None = None
    reader: PromptReader | None = None
    num_prompt_tokens: int = field(init=False)
    num_computed: int = 0
    num_cached: int = 0
    slot: int | None = None

    def __post_init__(self) -> None:
        self.num_prompt_tokens = len(self.tokens)

    @property
    def num_generated(self) -> int:
        return len(self.tokens) - self.num_prompt_tokens

    @property
    def wants_hidden_state(self) -> bool:
        """Whether the hidden state is read where the next token is drawn."""
        return self.num_generated < self.num_hidden_states

    @property
    def reads_afresh(self) -> bool:
        """Whether no cached tokens are reused: who gives a seed wants the same answer again.

        With some kernels a prompt that is read in other pieces has other logits, by 0.2 at Q4_K.
        A reader gets nothing of a cached token.
        """
        seed = self.sampling.seed
        return self.reader is not None or (seed is not None and seed >= 0)

    @property
    def is_read_whole(self) -> bool:
        """Whether something is read at every position that is computed next."""
        return self.reader is not None and self.num_generated == 0

    @property
    def num_left(self) -> int:
        """How many tokens are not in the KV cache: many during prefill, one during decoding."""
        return len(self.tokens) - self.num_computed


@dataclass(frozen=True)
class Step:
    """One new token of one sequence, with the numbers read at that position.

    `is_broken`: the logits were not finite, so the token is meaningless. `logprob` is natural;
    `hidden_state` has shape (hidden,) and is set only where the sequence wants it. `is_complete`:
    the grammar allows nothing after this token; `problem`: why the grammar could not go on.
    `scores` come where the sequence asks for log-probabilities.
    """

    sequence: Sequence
    token: int
    is_end: bool
    is_control: bool
    signals: Signals | None
    logprob: float | None
    is_broken: bool = False
    is_complete: bool = False
    problem: str = ""
    hidden_state: npt.NDArray[np.float32] | None = None
    scores: Scores | None = None
