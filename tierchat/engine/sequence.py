"""One request inside the engine: its tokens and how far they are computed.

Does not know llama.cpp, slots' contents or text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tierchat.types import Sampling, Signals


@dataclass(eq=False)
class Sequence:
    """A request in flight. `tokens` is prompt plus generated; the engine thread owns it.

    `reads_signals` is cleared by the reader when nobody looks any more: reading costs a pass
    over the vocabulary per token. Final hidden states are copied at the last prompt position and
    at the `num_hidden_states - 1` positions after it. `watched` tokens have their probabilities
    read with the signals.
    """

    id: int
    tokens: list[int]
    sampling: Sampling
    banned: tuple[int, ...] = ()
    escalate_token: int | None = None
    reads_signals: bool = True
    num_hidden_states: int = 0
    watched: tuple[int, ...] = ()
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
    def num_left(self) -> int:
        """Tokens not yet in the KV cache: many while prefilling, one while decoding."""
        return len(self.tokens) - self.num_computed


@dataclass(frozen=True)
class Step:
    """One new token of one sequence, with what was read at that position.

    `is_broken`: the logits were not finite, the token means nothing. `logprob` is natural;
    `hidden_state` has shape (hidden,) and comes only when asked for.
    """

    sequence: Sequence
    token: int
    is_end: bool
    is_control: bool
    signals: Signals | None
    logprob: float | None
    is_broken: bool = False
    hidden_state: npt.NDArray[np.float32] | None = None
