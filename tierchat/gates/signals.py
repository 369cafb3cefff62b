"""The input of a gate: one reading of a request, and its features as numbers.

Does not decide anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tierchat.gates.order import Earlier
from tierchat.types import Signals, Stage

_TINY = 1e-7
NUM_BUCKETS = 128
_BUCKET_SHIFT = 32 - 7
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """The signals of a request at one moment: end of the prompt, a few tokens later, or the end.

    `now` and `hidden` (shape (hidden,), final and normalised) belong to the newest position,
    `first` to the last position of the prompt. `num_generated` counts the token just drawn, whose
    natural log-probability is the last of `logprobs`; these include thoughts, `answer_logprobs`
    do not. `text` is the answer before this token, as far as it is held back. `is_last`: the turn
    ends with this token. `earlier` is about the turns before the prompt.
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
    text: str = ""
    earlier: Earlier = field(default_factory=Earlier)


def features(reading: Reading, *, has_token: bool) -> npt.NDArray[np.float64]:
    """Return a reading as a vector: the hidden state, the prompt's words, then the signals.

    The tokens of the prompt are counted in a few buckets, because the last hidden state of a
    small model does not always show the kind of task. `has_token` adds the log-odds of the
    model's own escalate token. A finished answer adds quantiles of its token log-probabilities
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
    """Return the natural log-odds of a probability, within the precision of float32 logits."""
    p = min(max(probability or 0.0, _TINY), 1 - _TINY)
    return math.log(p / (1 - p))


def _in_buckets(tokens: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the logarithmic counts of tokens by a multiplicative hash (Knuth) of their ids."""
    buckets = np.asarray(tokens, np.uint32) * np.uint32(2654435761) >> np.uint32(_BUCKET_SHIFT)
    return np.log1p(np.bincount(buckets, minlength=NUM_BUCKETS))


def _of_signals(signals: Signals, has_token: bool) -> list[float]:
    entropy, margin = signals.entropy or 0.0, signals.margin or 0.0
    # Certainty differs by powers of ten, which a linear row sees only in logarithms.
    numbers = [entropy, margin, math.log(entropy + _TINY), math.log(1 - margin + _TINY)]
    return [*numbers, log_odds(signals.escalate_probability)] if has_token else numbers


def _of_logprobs(logprobs: Sequence[float]) -> list[float]:
    drawn = np.asarray(logprobs or (0.0,))
    levels = [*np.quantile(drawn, (0.0, 0.1, 0.25, 0.5)), drawn.mean()]
    doubts = [math.log(_TINY - min(float(level), 0.0)) for level in levels]
    return [*map(float, levels), *doubts, math.log(len(drawn))]
