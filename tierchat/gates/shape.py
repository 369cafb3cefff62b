"""The shape of a prompt as numbers: how long it is, and what it is made of. Knows no weights.

Plain Python: the daemon reads shapes without numpy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
# The least and the greatest value of each measure that are told apart, in the order of `_measures`.
_RANGES = (
    (2.5, 6.5),
    (1.0, 5.0),
    (3.5, 9.0),
    (1.5, 3.5),
    (0.5, 1.0),
    (0.0, 4.0),
    (0.0, 0.2),
    (0.0, 12.0),
    (0.0, 4.5),
    (1.5, 11.0),
    (0.0, 0.2),
    (0.0, 0.8),
    (0.0, 0.24),
    (0.0, 4.0),
    (0.0, 3.0),
    (0.0, 1.0),
    (0.0, 1.0),
    (0.0, 1.0),
    (0.0, 1.0),
)
_NUM_KNOTS = 7
NUM_SHAPE = len(_RANGES) * _NUM_KNOTS


def shape(text: str) -> dict[int, float]:
    """Return how near each measure of a text is to the knots around it; each measure's sum is 1.

    So weights of knots are a curve of straight pieces for each measure.
    """
    found: dict[int, float] = {}
    for index, (value, (low, high)) in enumerate(zip(_measures(text), _RANGES, strict=True)):
        place = min(max((value - low) / (high - low), 0.0), 1.0) * (_NUM_KNOTS - 1)
        knot = min(int(place), _NUM_KNOTS - 2)
        for near, share in ((knot, knot + 1 - place), (knot + 1, place - knot)):
            if share:
                found[index * _NUM_KNOTS + near] = share
    return found


def _measures(text: str) -> Iterator[float]:
    words, num = text.split(), len(text) + 1
    numbers = _NUMBER.findall(text)
    last_line = text.rstrip().rpartition("\n")[2]
    yield math.log(num)
    yield math.log1p(len(words))
    yield num / (len(words) + 1)
    yield math.log1p(max(map(len, words), default=0))
    yield len(set(text.lower().split())) / (len(words) + 1)
    yield math.sqrt(len(numbers))
    yield sum(map(str.isdecimal, text)) / num
    yield math.log1p(max((_value(number) for number in numbers[:50]), default=0.0))
    yield math.sqrt(text.count("\n"))
    yield math.sqrt(len(last_line))
    yield sum(map(str.isupper, text)) / num
    yield sum("а" <= letter <= "я" for letter in text.lower()) / num
    yield sum(not letter.isalnum() and not letter.isspace() for letter in text) / num
    yield math.sqrt(text.count("("))
    yield math.sqrt(text.count('"'))
    yield float("{" in text)
    yield float("```" in text)
    yield float("?" in text)
    yield float(text.rstrip().endswith("?"))


def _value(number: str) -> float:
    return min(float(number.replace(",", ".")), 1e9)
