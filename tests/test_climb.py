"""Which tier is tried next."""

from __future__ import annotations

import pytest

from tierchat.climb import Climb
from tierchat.errors import UsageError
from tierchat.types import TierOptions

NAMES = ("XS", "S", "M", "L")


def climb(**options: object) -> Climb:
    return Climb(NAMES, TierOptions(**options))  # type: ignore[arg-type]


def test_it_starts_with_the_cheapest_and_goes_rung_by_rung() -> None:
    way = climb()
    assert way.name == "XS"
    assert [way.after_verdict(None) for _ in NAMES] == ["S", "M", "L", None]


def test_a_gate_may_jump_up_but_never_down_or_nowhere() -> None:
    way = climb()
    assert way.after_verdict("M") == "M"
    assert way.after_verdict("XS") == "L"
    assert climb().after_verdict("nobody") == "S"


def test_min_and_max_bound_the_climb() -> None:
    way = climb(min_tier="S", max_tier="M")
    assert way.name == "S" and way.may_escalate
    assert way.after_verdict("L") is None


def test_a_pinned_tier_stays_and_may_not_escalate() -> None:
    way = climb(tier="M")
    assert way.name == "M" and not way.may_escalate
    assert way.after_too_long() is None


def test_without_escalation_a_prompt_still_goes_where_it_fits() -> None:
    way = climb(no_escalate=True)
    assert not way.may_escalate
    assert way.after_too_long() == "S"


def test_tier_names_are_found_in_any_case() -> None:
    assert climb(tier="xs").name == "XS"


@pytest.mark.parametrize("field", ["tier", "min_tier", "max_tier"])
def test_an_unknown_tier_is_named_with_the_known_ones(field: str) -> None:
    with pytest.raises(UsageError) as caught:
        climb(**{field: "huge"})
    assert field in caught.value.message and "huge" in caught.value.message
    assert "XS, S, M, L" in caught.value.hint


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(UsageError, match="above"):
        climb(min_tier="L", max_tier="S")


def test_a_crash_goes_up() -> None:
    assert climb().after_failure() == "S"


def test_a_crash_at_the_top_is_tried_once_more_then_goes_down_to_who_has_not_declined() -> None:
    way = climb(min_tier="L")
    assert way.after_failure() == "L"
    assert way.after_failure() == "M"
    assert way.is_below_asked


def test_a_tier_that_declined_is_not_asked_again() -> None:
    way = climb()
    while way.name != "L":
        way.after_verdict(None)
    assert way.after_failure() == "L"
    assert way.after_failure() is None


def test_a_pinned_tier_is_tried_twice_and_never_replaced() -> None:
    way = climb(tier="M")
    assert way.after_failure() == "M"
    assert way.after_failure() is None
