"""Which tier is tried next."""

from __future__ import annotations

import pytest

from tierchat.cascade.route import Route
from tierchat.errors import UsageError
from tierchat.types import TierOptions

NAMES = ("XS", "S", "M", "L")


def route(**options: object) -> Route:
    return Route(NAMES, TierOptions(**options))  # type: ignore[arg-type]


def test_it_starts_with_the_cheapest_and_goes_rung_by_rung() -> None:
    way = route()
    assert way.name == "XS"
    assert [way.after_verdict(None) for _ in NAMES] == ["S", "M", "L", None]


def test_a_gate_may_jump_up_but_never_down_or_nowhere() -> None:
    way = route()
    assert way.after_verdict("M") == "M"
    assert way.after_verdict("XS") == "L"
    assert route().after_verdict("nobody") == "S"


def test_min_and_max_bound_the_climb() -> None:
    way = route(min_tier="S", max_tier="M")
    assert way.name == "S" and way.may_escalate
    assert way.after_verdict("L") is None


def test_a_pinned_tier_stays_and_may_not_escalate() -> None:
    way = route(tier="M")
    assert way.name == "M" and not way.may_escalate
    assert way.after_too_long() is None


def test_without_escalation_a_prompt_still_goes_where_it_fits() -> None:
    way = route(no_escalate=True)
    assert not way.may_escalate
    assert way.after_too_long() == "S"


def test_tier_names_are_found_in_any_case() -> None:
    assert route(tier="xs").name == "XS"


@pytest.mark.parametrize("field", ["tier", "min_tier", "max_tier"])
def test_an_unknown_tier_is_named_with_the_known_ones(field: str) -> None:
    with pytest.raises(UsageError) as caught:
        route(**{field: "huge"})
    assert field in caught.value.message and "huge" in caught.value.message
    assert "XS, S, M, L" in caught.value.hint


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(UsageError, match="above"):
        route(min_tier="L", max_tier="S")


def test_a_crash_goes_up() -> None:
    assert route().after_failure() == "S"


def test_a_crash_at_the_top_is_tried_once_more_then_goes_down_past_tiers_that_declined() -> None:
    way = route(min_tier="L")
    assert way.after_failure() == "L"
    assert way.after_failure() == "M"
    assert way.is_below_asked


def test_a_tier_that_declined_is_asked_again_only_where_nobody_else_can_answer() -> None:
    way = route()
    while way.name != "L":
        way.after_verdict(None)
    assert way.after_failure() == "L"
    assert way.after_failure() == "M"
    assert way.is_fallback and way.is_below_asked


def test_a_pinned_tier_is_tried_twice_and_never_replaced() -> None:
    way = route(tier="M")
    assert way.after_failure() == "M"
    assert way.after_failure() is None


def with_absent(*absent: str, **options: object) -> Route:
    return Route(NAMES, TierOptions(**options), absent)  # type: ignore[arg-type]


def test_absent_tiers_are_passed_over() -> None:
    way = with_absent("XS", "M")
    assert way.name == "S" and way.targets == ("L",)
    assert not way.is_fallback and not way.is_below_asked
    assert way.after_verdict("M") == "L"
    assert way.after_verdict(None) is None


def test_a_first_tier_that_declines_answers_when_all_better_tiers_are_absent() -> None:
    way = with_absent("S", "M", "L")
    assert way.name == "XS" and way.targets == () and way.may_escalate
    assert way.after_verdict(None) == "XS"
    assert way.is_fallback and way.is_below_asked
    # It is the last word: it may not decline again.
    assert not way.may_escalate


def test_when_the_better_ones_are_absent_the_best_that_declined_answers() -> None:
    way = with_absent("L")
    assert [way.after_verdict(None) for _ in range(2)] == ["S", "M"]
    assert way.after_verdict(None) == "M"
    assert way.is_fallback


def test_a_tier_that_declined_does_not_answer_for_absent_tiers_below() -> None:
    way = with_absent("XS", "S")
    assert way.name == "M"
    assert way.after_verdict(None) == "L"
    assert way.after_verdict(None) is None
    assert not way.is_fallback


def test_an_absent_smallest_tier_that_was_asked_for_falls_back_to_the_best_below() -> None:
    way = with_absent("M", "L", min_tier="M")
    assert way.name == "S" and way.is_fallback and way.is_below_asked
    assert not way.may_escalate and way.targets == ()


def test_a_pinned_tier_that_is_absent_is_not_replaced() -> None:
    way = with_absent("M", tier="M")
    assert way.name == "M" and not way.is_fallback
    assert way.after_unusable() is None


def test_when_all_are_absent_the_first_is_tried_and_says_so() -> None:
    way = with_absent(*NAMES)
    assert way.name == "XS" and not way.is_fallback
    assert way.after_unusable() is None


def test_a_tier_that_does_not_fit_is_passed_over() -> None:
    way = route()
    assert way.after_unusable() == "S"
    assert not way.is_fallback
    assert way.after_verdict(None) == "M"


def test_past_a_top_that_does_not_fit_the_best_below_answers() -> None:
    way = route()
    assert [way.after_verdict(None) for _ in range(3)] == ["S", "M", "L"]
    assert way.after_unusable() == "M"
    assert way.is_fallback and way.is_below_asked
    # And when that does not fit either, the next one.
    assert route(min_tier="L").after_unusable() == "M"


def test_when_many_do_not_fit_the_best_that_does_answers() -> None:
    way = route(min_tier="L")
    assert [way.after_unusable() for _ in range(4)] == ["M", "S", "XS", None]
    assert way.is_fallback and not way.may_escalate


def test_a_fallback_that_crashes_is_tried_once_more_and_then_goes_down() -> None:
    way = route(min_tier="L")
    assert way.after_unusable() == "M"
    assert [way.after_failure() for _ in range(3)] == ["M", "S", "S"]
    assert way.is_below_asked


def test_a_fallback_has_no_tier_above() -> None:
    way = with_absent("M", "L")
    assert [way.after_verdict(None) for _ in range(2)] == ["S", "S"]
    assert way.is_fallback and way.after_verdict(None) is None


def test_without_escalation_a_tier_that_does_not_fit_ends_it() -> None:
    assert route(no_escalate=True).after_unusable() is None


def test_a_max_tier_bounds_the_fallback() -> None:
    way = with_absent("M", max_tier="M")
    assert way.after_verdict(None) == "S"
    assert way.after_verdict(None) == "S" and way.is_fallback


def test_a_crash_below_absent_tiers_is_tried_once_more_and_then_goes_down() -> None:
    way = with_absent("M", "L", min_tier="S")
    assert way.after_failure() == "S"
    assert way.after_failure() == "XS"


def test_a_crash_at_the_top_never_goes_down_to_one_that_is_absent() -> None:
    way = with_absent("M", min_tier="L")
    assert way.after_failure() == "L"
    assert way.after_failure() == "S"


def test_a_tier_that_crashed_is_no_fallback() -> None:
    way = with_absent("L")
    assert way.after_verdict(None) == "S"
    assert way.after_failure() == "M"
    assert way.after_unusable() == "XS" and way.is_fallback


def test_an_absent_tier_above_max_tier_changes_nothing() -> None:
    way = Route(("XS", "S", "M"), TierOptions(max_tier="S"), absent=["M"])
    assert way.after_verdict(None) == "S"
    assert way.after_verdict(None) is None
