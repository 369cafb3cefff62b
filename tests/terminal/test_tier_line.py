"""The tier line in words."""

from __future__ import annotations

import msgspec
import pytest

from tierchat.cascade.ledger import Ledger
from tierchat.outcomes import Outcome, Usage
from tierchat.terminal.tier_line import explanation, hop_line, tier_line
from tierchat.terminal.units import seconds
from tierchat.types import Verdict

SIZES = {"XS": 1.0, "S": 5.0, "M": 20.0}
UP = Verdict(escalate=True, reason="escalate token", estimates={"escalate_probability": 0.987})


def outcome(*tiers: str, is_answered: bool = True) -> Outcome:
    ledger = Ledger(SIZES.__getitem__, "M")
    for tier in tiers[: -1 if is_answered else None]:
        ledger.add(tier, f"pocket-{tier.lower()}", UP.reason, Usage(prompt_tokens=10), UP)
    if not is_answered:
        return ledger.close("", "", "unanswered", 0.2)
    usage = Usage(prompt_tokens=10, generated_tokens=30, seconds=0.5)
    ledger.add(tiers[-1], f"pocket-{tiers[-1].lower()}", "stop", usage, is_answer=True)
    return ledger.close("408", "", "stop", 0.6)


def test_an_answer_at_the_first_tier() -> None:
    assert tier_line(outcome("XS")) == (
        "XS · pocket-xs · 30 tokens · 0.6 s │ ≈ 95 % less compute than M"
    )


def test_an_escalated_answer_tells_what_the_hop_cost() -> None:
    assert tier_line(outcome("XS", "S")) == (
        "S · pocket-s · 30 tokens · 0.6 s │ XS→S cost 10 prompt + 0 generated tokens, <1 ms (1.2 %)"
        " │ ≈ 74 % less compute than M"
    )


def test_the_top_tier_alone_saved_nothing_and_a_detour_cost_more() -> None:
    assert tier_line(outcome("M")).endswith("the top tier · no compute saved")
    assert tier_line(outcome("XS", "S", "M")).endswith("7.5 % more compute than M")


def test_a_follow_up_says_where_it_began_and_why() -> None:
    found = msgspec.structs.replace(outcome("M"), began="began at M: it answered before")
    assert " │ began at M: it answered before │ the top tier" in tier_line(found)
    assert explanation(found.path, found.began)[-1] == "began at M: it answered before"


def test_an_outcome_without_an_answer_says_so() -> None:
    line = tier_line(outcome("XS", "S", "M", is_answered=False))
    assert line.startswith("no tier could answer") and "XS→S→M" in line


def test_hops_and_explanations_give_the_numbers() -> None:
    found = outcome("XS", "S")
    assert hop_line(found.path[0], "S") == "XS → S: escalate token, probability 0.99"
    lines = explanation(found.path)
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[-1] == "XS: escalate_probability 0.987"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0002, "<1 ms"), (0.003, "3 ms"), (0.08, "0.08 s"), (0.62, "0.6 s"), (12.3, "12 s")],
)
def test_durations_have_two_digits(value: float, text: str) -> None:
    assert seconds(value) == text
