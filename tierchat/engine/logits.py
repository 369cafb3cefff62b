"""What is read from one row of logits: signals of gates, log-probabilities, the likeliest tokens.

Does not draw tokens; llama.cpp does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tierchat.types import Signals

# One token in so many is looked at to guess a bound that only few tokens pass.
_STRIDE = 64
_MAX_LIKELIEST = 4096


class Distribution:
    """The probabilities of the next token, from finite logits of shape (vocabulary,)."""

    def __init__(self, logits: npt.NDArray[np.float32]) -> None:
        self._best = int(logits.argmax())
        self._below_best = logits - logits[self._best]
        self._weights = np.exp(self._below_best)
        self._total = float(self._weights.sum())

    def signals(
        self,
        escalate_token: int | None,
        num_prompt_tokens: int,
        watched: Sequence[int] = (),
    ) -> Signals:
        """Compute the signals that gates read."""
        entropy = (
            math.log(self._total) - float((self._weights * self._below_best).sum()) / self._total
        )
        rest = self._weights[: self._best], self._weights[self._best + 1 :]
        second = max(float(part.max(initial=0.0)) for part in rest)
        return Signals(
            escalate_probability=None
            if escalate_token is None
            else self._probability(escalate_token),
            entropy=max(entropy, 0.0),
            margin=(1.0 - second) / self._total,
            num_prompt_tokens=num_prompt_tokens,
            watched=tuple(self._probability(token) for token in watched),
        )

    def top(self, num: int) -> list[int]:
        """Return the `num` likeliest tokens, the best first."""
        num = min(num, len(self._below_best))
        if not num:
            return []
        found = np.argpartition(self._below_best, -num)[-num:]
        return [int(token) for token in found[np.argsort(-self._below_best[found], kind="stable")]]

    def logprob(self, token: int) -> float:
        """Return the natural log-probability of one token."""
        return float(self._below_best[token]) - math.log(self._total)

    def _probability(self, token: int) -> float:
        return float(self._weights[token]) / self._total


def likeliest(logits: npt.NDArray[np.float32], num: int) -> npt.NDArray[np.intp] | None:
    """Return ids of at least the `num` likeliest tokens, in order of id.

    None where these cannot be told from the rest at once, because too many have the same logit.
    """
    sample = np.sort(logits[::_STRIDE])
    place = 2 + 2 * num // _STRIDE
    while place < len(sample):
        found = np.flatnonzero(logits >= sample[-place])
        if len(found) > _MAX_LIKELIEST:
            return None
        if len(found) >= num:
            return found
        place *= 4
    return None
