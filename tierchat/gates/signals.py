"""What a gate looks at: one reading of a request, at the prompt's end, a few tokens in, or at the
answer's end.

Does not decide anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierchat.types import Signals, Stage

_TINY = 1e-7
_NUM_BUCKETS = 128
_BUCKET_SHIFT = 32 - 7
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """One look at a request.

    `now` and `hidden` (shape (hidden,), final and normalised) belong to the newest position,
    `first` to the prompt's last one. `num_generated` counts the token just drawn, whose natural
    log-probability is the last of `logprobs` (thoughts included; `answer_logprobs` without).
    `is_last`: the turn ends with this token.
    """

    stage: Stage
    now: Signals
    first: Signals
    num_generated: int = 1
    hidden: Vector | None = None
    prompt_tokens: Sequence[int] = ()
    logprobs: Sequence[float] = ()
    answer_logprobs: Sequence[float] = ()
    is_last: bool = False


def features(reading: Reading, *, has_token: bool) -> npt.NDArray[np.float64]:
    """Lay a reading out as numbers: the hidden state, then what is read beside it.

    The prompt's tokens are counted in a few buckets: which kind of task it is, a small model's
    last hidden state does not always tell. `has_token` adds the log-odds of the model's own
    escalate token. A finished answer adds quantiles of its token log-probabilities
    (arXiv 2404.10136).
    """
    assert reading.hidden is not None
    numbers = [*_of_signals(reading.first, has_token), math.log1p(reading.first.num_prompt_tokens)]
    if reading.stage != "prefill":
        numbers += _of_signals(reading.now, has_token)
        numbers += _of_logprobs(reading.logprobs)
        numbers.append(float(reading.is_last))
    words = _in_buckets(reading.prompt_tokens)
    return np.concatenate((reading.hidden.astype(np.float64), words, numbers))


def log_odds(probability: float | None) -> float:
    """Turn a probability into natural log-odds, kept within what float32 logits can mean."""
    p = min(max(probability or 0.0, _TINY), 1 - _TINY)
    return math.log(p / (1 - p))


def _in_buckets(tokens: Sequence[int]) -> npt.NDArray[np.float64]:
    """Count tokens by a multiplicative hash (Knuth) of their ids, logarithmically."""
    places = np.asarray(tokens, np.uint32) * np.uint32(2654435761) >> np.uint32(_BUCKET_SHIFT)
    return np.log1p(np.bincount(places, minlength=_NUM_BUCKETS))


def _of_signals(signals: Signals, has_token: bool) -> list[float]:
    entropy, margin = signals.entropy or 0.0, signals.margin or 0.0
    # A sure model differs from a very sure one by powers of ten, which a line cannot see.
    numbers = [entropy, margin, math.log(entropy + _TINY), math.log(1 - margin + _TINY)]
    return [*numbers, log_odds(signals.escalate_probability)] if has_token else numbers


def _of_logprobs(logprobs: Sequence[float]) -> list[float]:
    drawn = np.asarray(logprobs or (0.0,))
    levels = [*np.quantile(drawn, (0.0, 0.1, 0.25, 0.5)), drawn.mean()]
    doubts = [math.log(_TINY - min(float(level), 0.0)) for level in levels]
    return [*map(float, levels), *doubts, math.log(len(drawn))]
