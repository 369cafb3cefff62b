"""A prompt's text as numbers: its letters and words as hashed n-grams, its shape, and weights.

Does not know what the weights say. Plain Python: the daemon reads texts without numpy.
"""

from __future__ import annotations

import functools
import math
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tierchat.gates.shape import NUM_SHAPE, shape
from tierchat.types import Message

MAX_NGRAM = 4
# Words have buckets behind those of letters, and the shape is behind both.
_NUM_HASHED = 4096
NUM_BUCKETS = 2 * _NUM_HASHED + NUM_SHAPE
# What letters, words and shape have of the length of all counts, squared (`bench/LOG.md`).
_SHARES = (0.4, 0.4, 0.2)
_WORD = re.compile(r"\w+|[^\w\s]")
_DIGIT = re.compile(r"\d")
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
    """Return counts of a text's n-grams of letters and of words, and its shape.

    N-grams are hashed and signed; one that comes again counts less each time. The Euclidean length
    of all is about 1.
    """
    if not text.strip():
        return {}
    parts = (_hashed(_ngrams(text)), _hashed(_words(text)), shape(text))
    found: dict[int, float] = {}
    for index, (part, share) in enumerate(zip(parts, _SHARES, strict=True)):
        length = math.sqrt(sum(count * count for count in part.values())) or 1.0
        scale = math.sqrt(share) / length
        start = index * _NUM_HASHED
        found |= {start + bucket: scale * count for bucket, count in part.items() if count}
    return found


def _hashed(grams: Iterable[str]) -> dict[int, float]:
    counts: dict[int, float] = {}
    for gram, num in Counter(grams).items():
        hashed = zlib.crc32(gram.encode("utf-8", "replace"))
        bucket, count = hashed % _NUM_HASHED, 1 + math.log(num)
        counts[bucket] = counts.get(bucket, 0.0) + (count if hashed >> 31 else -count)
    return counts


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


def _words(text: str) -> Iterator[str]:
    """Yield words and signs, alone and with the one before; numbers of as many digits are alike."""
    before = ""
    for word in _WORD.findall(_DIGIT.sub("0", text.lower())):
        yield word
        yield f"{before} {word}"
        before = word


@functools.lru_cache(maxsize=64)
def _unpacked(raw: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(raw) // 2}e", raw)
