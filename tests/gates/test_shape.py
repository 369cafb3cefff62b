"""The shape of a prompt: how long it is and what it is made of, as weights of knots."""

from __future__ import annotations

import math

import pytest

from tierchat.gates.shape import NUM_SHAPE, shape

TEXTS = ["", "a", "What is 12*7?", "Сколько будет 2+2?", "9" * 5_000, "1,5 ٣٫٥ \ud800", "x" * 9_999]


@pytest.mark.parametrize("text", TEXTS)
def test_every_measure_lies_between_two_knots(text: str) -> None:
    found = shape(text)
    num_measures = round(sum(found.values()))
    assert math.isclose(sum(found.values()), num_measures) and 7 * num_measures == NUM_SHAPE
    assert all(0 <= place < NUM_SHAPE and 0 < share <= 1 for place, share in found.items())


def test_texts_of_like_shape_are_near() -> None:
    def away(one: str, other: str) -> float:
        a, b = shape(one), shape(other)
        return sum((a.get(place, 0.0) - b.get(place, 0.0)) ** 2 for place in range(NUM_SHAPE))

    sums, code = ("What is 12*7?", "What is 31*9?"), "Write it:\n```python\ndef f(x):\n    ...\n```"
    assert away(*sums) < 0.5 < 3 < away(sums[0], code)
