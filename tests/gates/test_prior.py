"""The untaught default: letters and sizes in, a tier out, the same on every machine."""

from __future__ import annotations

import math
import time

import pytest

from tierchat.gates import letters, prior
from tierchat.gates.letters import NUM_BUCKETS
from tierchat.gates.shape import NUM_SHAPE
from tierchat.types import Message

SIZES = (134_515_008, 630_167_424, 1_777_088_000)


def _hashed(found: dict[int, float]) -> dict[int, float]:
    """Return what is counted of letters and words, without the shape behind it."""
    return {bucket: count for bucket, count in found.items() if bucket < NUM_BUCKETS - NUM_SHAPE}


def test_numbers_of_as_many_digits_are_the_same_word() -> None:
    words = [
        {b for b in _hashed(letters.buckets(text)) if b >= (NUM_BUCKETS - NUM_SHAPE) / 2}
        for text in ("add 12 and 345", "add 99 and 100", "add 1 and 2")
    ]
    assert words[0] == words[1] != words[2]


def test_letters_are_counted_the_same_everywhere() -> None:
    found = letters.buckets("Ab ab")
    assert found == letters.buckets("Ab ab") and found != letters.buckets("ba ab")
    assert _hashed(found) == _hashed(letters.buckets("ab  AB"))
    assert math.isclose(sum(value**2 for value in found.values()), 1.0)
    # Hashes must not change with the process, as Python's own do.
    assert sorted(letters.buckets("a"))[0] == 1500
    assert letters.buckets("") == {} and len(letters.buckets("日本語 \ud800")) > 5


def test_a_larger_model_is_likelier_right() -> None:
    for text in ("What is the capital of France?", "def f(x):\n    return", "Сколько будет 2+2?"):
        right = prior.shipped().right(letters.buckets(text), SIZES)
        assert all(0 < p < 1 for p in right) and right == sorted(right)


def test_the_better_the_quality_the_higher_the_tier() -> None:
    found = prior.shipped()
    for text in ("hi", "Prove that the square root of 2 is irrational.", "x" * 5_000):
        right, costs = (
            found.right(letters.buckets(text), SIZES),
            found.costs(letters.buckets(text), 50.0, SIZES),
        )
        tiers = [found.choose(right, costs, quality) for quality in (0.5, 0.9, 0.95, 0.99, 1.0)]
        assert tiers == sorted(tiers)
    equal = (7e9, 7e9, 7e9)
    costs = found.costs(letters.buckets("hi"), 50.0, equal)
    assert found.choose(found.right(letters.buckets("hi"), equal), costs, 0.99) == 0


def test_long_answers_and_long_prompts_cost_more() -> None:
    found = prior.shipped()
    short, worked = (
        "What is 12*7? Answer with the number only.",
        "Write a Python function that sorts.",
    )
    assert (
        found.costs(letters.buckets(short), 30.0, SIZES)[2]
        < found.costs(letters.buckets(worked), 30.0, SIZES)[2]
    )
    assert (
        found.costs(letters.buckets(short), 30.0, SIZES)[2]
        < found.costs(letters.buckets(short), 3_000.0, SIZES)[2]
    )
    assert found.costs(letters.buckets(short), 30.0, SIZES) == sorted(
        found.costs(letters.buckets(short), 30.0, SIZES)
    )


def test_of_a_long_text_both_ends_are_read_quickly() -> None:
    long = "a" * 500_000
    messages = [Message(role="system", content="s" * 900), Message(role="user", content=long)]
    text = letters.text_of(messages)
    assert text.startswith("sss") and len(text) < 2_500
    tail = [Message(role="user", content=f"{long} write the commit message")]
    assert "commit message" in letters.text_of(tail)
    began_s = time.perf_counter()
    prior.shipped().right(letters.buckets(text), SIZES)
    assert time.perf_counter() - began_s < 1.0


@pytest.mark.parametrize("messages", [[Message(role="user", content="q")]])
def test_without_a_system_turn_only_the_question_is_read(messages: list[Message]) -> None:
    assert letters.text_of(messages) == "q"
