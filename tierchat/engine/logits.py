"""The signals that gates read, computed from one row of logits.

Does not draw tokens; llama.cpp does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tierchat.types import Signals


def read_signals(
    logits: npt.NDArray[np.float32],
    escalate_token: int | None,
    num_prompt_tokens: int,
    watched: Sequence[int] = (),
) -> Signals:
    """Compute the signals of one position from its logits of shape (vocabulary,)."""
    weights = np.exp(logits - logits.max())
    probabilities = weights / weights.sum()
    second, first = np.partition(probabilities, -2)[-2:]
    entropy = -float(np.sum(probabilities * np.log(np.maximum(probabilities, 1e-30))))
    escalate = None if escalate_token is None else float(probabilities[escalate_token])
    return Signals(
        escalate_probability=escalate,
        entropy=max(entropy, 0.0),
        margin=float(first - second),
        num_prompt_tokens=num_prompt_tokens,
        watched=tuple(float(probabilities[token]) for token in watched),
    )


def token_logprob(logits: npt.NDArray[np.float32], token: int) -> float:
    """Return the natural log-probability of one token."""
    top = logits.max()
    return float(logits[token] - top - np.log(np.exp(logits - top).sum()))
