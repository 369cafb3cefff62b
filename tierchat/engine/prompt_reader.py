"""What is read at every position of a prompt: log-probabilities of its tokens, or one vector.

Does not know llama.cpp or batches; the engine passes the numbers of one position after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from tierchat.engine.logits import Distribution

Floats = npt.NDArray[np.float32]
Pooling = Literal["mean", "first", "last"]


@dataclass(frozen=True)
class Scores:
    """The natural log-probability of a token, and those of the likeliest, the best first."""

    token: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


class PromptReader(Protocol):
    """Reads a prompt while the engine computes it.

    The position 0 may come again, when the prompt is computed again from the start.
    """

    @property
    def wants_states(self) -> bool:
        """Whether hidden states are read, and else logits."""
        ...

    def take(self, position: int, numbers: Floats) -> None:
        """Read the logits or the hidden state of one position; the array is not kept."""
        ...


def scores_of(logits: Floats, token: int, num: int) -> Scores:
    """Return the log-probabilities of a token and of the `num` likeliest ones."""
    found = Distribution(logits)
    top = tuple((each, found.logprob(each)) for each in found.top(num))
    return Scores(token, found.logprob(token), top)


class PromptScorer:
    """Collects how likely each token of a prompt was after those before it."""

    wants_states = False

    def __init__(self, tokens: list[int], num: int) -> None:
        self._tokens, self._num = list(tokens), num
        self.scores = [Scores(tokens[0], None)]

    def take(self, position: int, numbers: Floats) -> None:
        del self.scores[position + 1 :]
        if position + 1 < len(self._tokens):
            self.scores.append(scores_of(numbers, self._tokens[position + 1], self._num))


class StatePooler:
    """Makes one vector of the hidden states of a prompt."""

    wants_states = True

    def __init__(self, pooling: Pooling) -> None:
        self.pooling = pooling
        self._sum: npt.NDArray[np.float64] | None = None

    def take(self, position: int, numbers: Floats) -> None:
        is_chosen = self.pooling == "last" or position == 0
        if self._sum is None or is_chosen:
            self._sum = numbers.astype(np.float64)
        elif self.pooling == "mean":
            self._sum += numbers

    def vector(self) -> Floats:
        """Return the vector of shape (hidden,), of length 1; of zeros where the states were."""
        assert self._sum is not None
        length = float(np.linalg.norm(self._sum))
        return (self._sum / (length or 1.0)).astype(np.float32)
