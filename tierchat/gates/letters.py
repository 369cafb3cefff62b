"""The letters of a prompt as numbers: counts of hashed n-grams, and weights for them.

Does not know what the weights say. Plain Python: the daemon reads letters without numpy.
"""

from __future__ import annotations

import functools
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tierchat.types import Message

MAX_NGRAM = 4
NUM_BUCKETS = 8192
# Of a long text the beginning and the end are read: what is asked for stands in one of them.
_MAX_CHARS = 2_000
_MAX_SYSTEM_CHARS = 300
# Tokens of a chat template, and of a byte of text.
_TEMPLATE_TOKENS, _TOKENS_PER_BYTE = 15, 0.3


def text_of(messages: Sequence[Message]) -> str:
    """Return what is read of a conversation: how it begins if a system turn does, and the end."""
    system = messages[0].content[:_MAX_SYSTEM_CHARS] if messages[0].role == "system" else ""
    last = messages[-1].content
    if len(last) > _MAX_CHARS:
        last = f"{last[: _MAX_CHARS // 2]}\n{last[-_MAX_CHARS // 2 :]}"
    return f"{system}\n{last}" if system else last


def num_bytes(messages: Sequence[Message]) -> int:
    """Return how many bytes of text a conversation has."""
    return sum(len(m.content.encode("utf-8", "replace")) for m in messages)


def guessed_tokens(num_bytes: int) -> float:
    """Guess how many tokens so many bytes of text make, until a tier has counted them."""
    return _TEMPLATE_TOKENS + _TOKENS_PER_BYTE * num_bytes


def buckets(text: str) -> dict[int, float]:
    """Return counts of a text's n-grams of letters, hashed and signed, of Euclidean length 1."""
    counts: Counter[int] = Counter()
    for gram in _ngrams(text):
        hashed = zlib.crc32(gram.encode("utf-8", "replace"))
        counts[hashed % NUM_BUCKETS] += 1 if hashed >> 31 else -1
    length = math.sqrt(sum(count * count for count in counts.values())) or 1.0
    return {bucket: count / length for bucket, count in counts.items() if count}


def is_weights(raw: bytes) -> bool:
    """Whether bytes are weights: a finite little-endian float16 for each bucket."""
    return len(raw) == 2 * NUM_BUCKETS and all(map(math.isfinite, _unpacked(raw)))


def score(found: Mapping[int, float], weights: bytes) -> float:
    """Return the sum of the weights of a text's buckets, which `buckets` found."""
    numbers = _unpacked(weights)
    return sum(value * numbers[bucket] for bucket, value in found.items())


def _ngrams(text: str) -> Iterator[str]:
    """Yield the n-grams of every word, with a blank before and after it."""
    for word in text.lower().split():
        padded = f" {word} "
        for length in range(1, MAX_NGRAM + 1):
            for start in range(len(padded) - length + 1):
                yield padded[start : start + length]


@functools.lru_cache(maxsize=64)
def _unpacked(raw: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(raw) // 2}e", raw)
