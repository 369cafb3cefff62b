"""The untaught default: how hard a prompt looks for a model of a given size, before it is read.

What a model says of itself without a lesson is worth nothing (`bench/LOG.md`): first-token entropy,
its margin and "are you sure?" do not carry over from one pair of models to another. How hard a
*kind* of prompt is does: a logistic regression on the letters of the prompt and the size of the
model, fitted on two sizes of one family, foretells a third model of another. The weights come from
`bench/prior.py`. Plain Python, as the daemon decides this without waiting for a model.
"""

from __future__ import annotations

import functools
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files

import msgspec

from tierchat.types import Frozen, Message

MAX_NGRAM = 4
NUM_BUCKETS = 8192
# Of a long text the beginning and the end are read: what is asked for stands in one of them.
_MAX_CHARS = 2_000
_MAX_SYSTEM_CHARS = 300


class Prior(Frozen, frozen=True):
    """Weights of a logistic regression: of the prompt's letters, alone and times the model's size.

    `difficulty` and `slope` are little-endian float16, one for each bucket. The size of a model is
    the decimal logarithm of its parameters less `mean_size`. `cost_weights` are pairs of a share of
    the top tier's quality that was kept on held-out prompts, and the cost weight that kept it.
    """

    mean_size: float
    bias: float
    size_weight: float
    difficulty: bytes
    slope: bytes
    cost_weights: tuple[tuple[float, float], ...]

    def right(self, text: str, parameters: Sequence[float]) -> list[float]:
        """Return the probability that a model of each size answers a prompt right."""
        difficulty, slope = _weights(self.difficulty), _weights(self.slope)
        hard = rises = 0.0
        for bucket, value in buckets(text).items():
            hard += value * difficulty[bucket]
            rises += value * slope[bucket]
        sizes = [math.log10(max(size, 1.0)) - self.mean_size for size in parameters]
        scores = [self.bias + hard + size * (self.size_weight + rises) for size in sizes]
        return [1 / (1 + math.exp(-score)) for score in scores]

    def cost_weight(self, quality: float) -> float:
        """Return what the top tier's cost is worth at a quality, in shares of a right answer."""
        enough = [weight for kept, weight in self.cost_weights if kept >= quality]
        return max(enough, default=0.0)

    def choose(self, right: Sequence[float], parameters: Sequence[float], quality: float) -> int:
        """Return the index of the tier whose answer is worth most, given what `right` said."""
        weight = self.cost_weight(quality)
        values = [p - weight * n / parameters[-1] for p, n in zip(right, parameters, strict=True)]
        return values.index(max(values))


def text_of(messages: Sequence[Message]) -> str:
    """Return what is read of a conversation: how it begins if a system turn does, and the end."""
    system = messages[0].content[:_MAX_SYSTEM_CHARS] if messages[0].role == "system" else ""
    last = messages[-1].content
    if len(last) > _MAX_CHARS:
        last = f"{last[: _MAX_CHARS // 2]}\n{last[-_MAX_CHARS // 2 :]}"
    return f"{system}\n{last}" if system else last


def buckets(text: str) -> dict[int, float]:
    """Return counts of a text's n-grams of letters, hashed and signed, of Euclidean length 1."""
    counts: Counter[int] = Counter()
    for gram in _ngrams(text):
        hashed = zlib.crc32(gram.encode("utf-8", "replace"))
        counts[hashed % NUM_BUCKETS] += 1 if hashed >> 31 else -1
    length = math.sqrt(sum(count * count for count in counts.values())) or 1.0
    return {bucket: count / length for bucket, count in counts.items() if count}


@functools.cache
def shipped() -> Prior:
    """Read the weights in the package."""
    raw = files("tierchat.gates").joinpath("prior.json").read_bytes()
    return msgspec.json.decode(raw, type=Prior)


def _ngrams(text: str) -> Iterator[str]:
    """Yield the n-grams of every word, with a blank before and after it."""
    for word in text.lower().split():
        padded = f" {word} "
        for length in range(1, MAX_NGRAM + 1):
            for start in range(len(padded) - length + 1):
                yield padded[start : start + length]


@functools.cache
def _weights(raw: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(raw) // 2}e", raw)
