"""A number for the quality is a promise: the top tier keeps what nothing cheaper is sure to."""

from __future__ import annotations

import msgspec
import pytest

from tests.gates.test_files import head
from tierchat.cascade.promise import cost_weight, keeping_promise
from tierchat.gates.files import GateHead, Tradeoff
from tierchat.types import TierOptions

TIERS = ("XS", "S", "M")


def taught(num_held_out: int = 245) -> GateHead:
    return head(
        report=msgspec.structs.replace(head().report, num_held_out=num_held_out),
        tradeoffs=(
            Tradeoff(cost_weight=-1.0, quality=1.0, cost=1.1, promised=0.99),
            Tradeoff(cost_weight=0.0, quality=1.01, cost=0.9, promised=0.97),
            Tradeoff(cost_weight=0.1, quality=0.992, cost=0.4, promised=0.95),
            Tradeoff(cost_weight=1.0, quality=0.95, cost=0.1, promised=0.7),
        ),
    )


@pytest.mark.parametrize(
    ("quality", "weight"),
    [("frugal", 1.0), ("balanced", 0.1), (None, 0.1), ("best", 0.0), (0.95, 0.1), (0.96, 0.0)],
)
def test_a_name_is_expected_and_a_number_is_promised(quality: float, weight: float) -> None:
    assert cost_weight(taught(), quality) == weight


def test_a_promise_that_can_be_kept_changes_no_tier() -> None:
    options, notice = keeping_promise(TierOptions(quality=0.95), "mine", TIERS, taught())
    assert options == TierOptions(quality=0.95, hold="judged") and not notice


@pytest.mark.parametrize("quality", ["frugal", "best", None])
def test_a_name_never_calls_the_top_tier(quality: str) -> None:
    asked = TierOptions(quality=quality)  # type: ignore[arg-type]
    for gate in (None, taught()):
        assert keeping_promise(asked, "mine", TIERS, gate) == (asked, "")


def test_the_top_tier_answers_where_the_tiers_below_cost_more_than_they_save() -> None:
    dear = msgspec.structs.replace(
        taught(),
        tradeoffs=(
            Tradeoff(cost_weight=0.0, quality=1.0, cost=1.1, promised=0.9),
            Tradeoff(cost_weight=0.1, quality=0.97, cost=0.8, promised=0.8),
        ),
    )
    for name, top in (("best", "M"), ("balanced", "M"), (None, "M"), ("frugal", None)):
        asked = TierOptions(quality=name)  # type: ignore[arg-type]
        options, notice = keeping_promise(asked, "mine", TIERS, dear)
        assert (options.min_tier, notice) == (top, "")
    pinned = TierOptions(tier="S")
    assert keeping_promise(pinned, "mine", TIERS, dear) == (pinned, "")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (None, "no lesson shows"),
        (taught(), "the lesson was too small"),
        (taught(num_held_out=0), "older than promises"),
    ],
)
def test_the_top_tier_answers_where_nothing_is_sure(gate: GateHead | None, said: str) -> None:
    options, notice = keeping_promise(TierOptions(quality=0.98), "mine", TIERS, gate)
    assert options.min_tier == "M" and said in notice and "0.98" in notice and "mine" in notice


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"tier": "xs"}, "only xs is asked"),
        ({"max_tier": "S"}, "no tier above S"),
        ({"max_wait_s": 5}, "--max-wait may leave"),
        ({"no_escalate": True}, "nothing may escalate"),
        ({"raw": True}, "nothing may escalate"),
    ],
)
def test_what_a_request_says_of_tiers_wins(limits: dict[str, object], said: str) -> None:
    asked = TierOptions(quality=0.98, **limits)  # type: ignore[arg-type]
    for gate in (None, taught()):
        options, notice = keeping_promise(asked, "mine", TIERS, gate)
        assert options == asked and said in notice and "not promised" in notice


@pytest.mark.parametrize(
    "limits",
    [
        {"tier": "m"},
        {"min_tier": "M"},
        {"max_tier": "M"},
        {"min_tier": "M", "max_wait_s": 5},
        {"min_tier": "M", "no_escalate": True},
    ],
)
def test_the_top_tier_keeps_any_promise(limits: dict[str, object]) -> None:
    asked = TierOptions(quality=1.0, **limits)  # type: ignore[arg-type]
    _, notice = keeping_promise(asked, "mine", TIERS, taught())
    assert "not promised" not in notice
