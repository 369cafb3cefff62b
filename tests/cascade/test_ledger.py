"""Counting what a prompt cost."""

from __future__ import annotations

import pytest

from tierchat.cascade.ledger import Ledger
from tierchat.outcomes import Usage

SIZES = {"XS": 1.0, "S": 5.0, "M": 20.0}


def ledger() -> Ledger:
    return Ledger(SIZES.__getitem__, "M")


def test_one_hop_is_charged_for_both_tiers_and_compared_with_the_top_at_the_same_tokens() -> None:
    book = ledger()
    book.add("XS", "xs", "escalate token", Usage(prompt_tokens=10, seconds=0.1))
    usage = Usage(prompt_tokens=10, generated_tokens=30, seconds=0.5)
    book.add("S", "s", "stop", usage, is_answer=True)
    outcome = book.close("408", "", "stop", 0.7)
    assert outcome.tier == "S" and outcome.answer == "408"
    assert outcome.escalation_tokens == 10
    assert outcome.escalation_seconds == pytest.approx(0.1)
    assert outcome.relative_compute == pytest.approx((1 * 10 + 5 * 40) / (20 * 40))
    assert outcome.escalation_compute == pytest.approx(10 / (20 * 40))
    assert outcome.is_compute_estimated


def test_a_discarded_draft_is_charged_and_counted_as_discarded() -> None:
    book = ledger()
    visit = book.add("XS", "xs", "unsure", Usage(prompt_tokens=10, generated_tokens=4))
    assert visit.discarded_tokens == 4
    usage = Usage(prompt_tokens=10, generated_tokens=2)
    book.add("M", "m", "stop", usage, is_answer=True)
    outcome = book.close("x", "", "stop", 1.0)
    assert outcome.escalation_tokens == 14
    assert outcome.relative_compute == pytest.approx((14 + 20 * 12) / (20 * 12))
    assert not outcome.is_compute_estimated


def test_cached_tokens_cost_nothing() -> None:
    book = ledger()
    usage = Usage(prompt_tokens=10, cached_tokens=9, generated_tokens=1)
    book.add("XS", "xs", "stop", usage, is_answer=True)
    assert book.close("4", "", "stop", 0.1).relative_compute == pytest.approx(1 / 20)


def test_unanswered_has_no_tier_and_everything_was_escalation() -> None:
    book = ledger()
    for tier in SIZES:
        book.add(tier, tier.lower(), "escalate token", Usage(prompt_tokens=10))
    outcome = book.close("", "", "unanswered", 0.2)
    assert outcome.tier is None and outcome.model is None
    assert outcome.escalation_tokens == 30
    assert outcome.relative_compute == pytest.approx(26 / 20)


def test_the_top_tier_alone_is_exactly_one() -> None:
    book = ledger()
    book.add("M", "m", "stop", Usage(prompt_tokens=7, generated_tokens=3), is_answer=True)
    outcome = book.close("x", "", "stop", 0.1)
    assert outcome.relative_compute == 1.0 and not outcome.is_compute_estimated


def test_nothing_computed_anywhere_is_not_a_division_by_zero() -> None:
    book = ledger()
    book.add("M", "m", "engine_crashed", Usage(seconds=1.0))
    assert book.close("", "", "unanswered", 1.0).relative_compute == 1.0


def test_cached_tokens_are_not_computed() -> None:
    usage = Usage(prompt_tokens=10, cached_tokens=8, generated_tokens=3)
    assert ledger().add("XS", "xs", "stop", usage, is_answer=True).computed_tokens == 5
