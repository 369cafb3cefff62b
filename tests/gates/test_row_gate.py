"""At which stages a learned gate still decides, and how long the answer waits for that."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from tierchat.gates.order import Earlier, GateOrder, TierWait
from tierchat.gates.row_gate import STAGES, Head, Reach, Row, RowGate, RowGates, TierCosts
from tierchat.gates.signals import Reading, features
from tierchat.gates.token_gate import TokenGate
from tierchat.types import Hold, Signals, Stage

NOWHERE = Head(np.zeros(0), np.zeros(0), (), np.zeros((0, 1)), np.zeros(0))


def gate(*stages: Stage, hold: Hold = "first", may_escalate: bool = True) -> RowGate:
    heads = {(0, stage): NOWHERE for stage in stages}
    rows = RowGates(("XS", "S"), TierCosts((1.0, 5.0), 1.0), False, heads)
    order = GateOrder(
        kind="row", may_escalate=may_escalate, hold=hold, hold_back=8, tier="XS", targets=("S",)
    )
    return RowGate(rows, order, TokenGate(order))


@pytest.mark.parametrize(
    ("taught", "hold", "stages"),
    [
        (("prefill",), "answer", ("prefill",)),
        (("prefill", "first"), "judged", ("prefill", "first")),
        (STAGES, "judged", STAGES),
        (STAGES, "first", ("prefill", "first")),
    ],
)
def test_it_decides_where_the_lesson_kept_a_stage(
    taught: tuple[Stage, ...], hold: Hold, stages: tuple[Stage, ...]
) -> None:
    assert gate(*taught, hold=hold).stages == stages
    assert gate(*taught, hold=hold, may_escalate=False).stages == ()


def test_an_answer_waits_only_for_a_decision_b_that_pays() -> None:
    assert not gate("prefill").holds("", 1)
    both = gate("prefill", "first")
    assert both.holds("a", 1) and not both.holds("a", 8)
    now = Signals(entropy=0.1, margin=0.9)
    hidden = cast(np.ndarray[tuple[int], np.dtype[np.float32]], np.zeros(3, np.float32))
    both.read(Reading("first", now, now, num_generated=8, hidden=hidden))
    assert not both.holds("a", 5)


NOW = Signals(entropy=0.1, margin=0.9, num_prompt_tokens=5)
READING = Reading("prefill", NOW, NOW, num_generated=1, hidden=np.zeros(3, np.float32))


def sure(*right: float) -> Head:
    """Rows that always expect these probabilities, and 10, 20, ... tokens."""
    width, num = len(features(READING, has_token=False)), len(right)
    knots = np.array([-1.0, 1.0])
    rows = tuple(Row(np.zeros(width), 0.0, knots, np.full(2, p)) for p in right)
    lengths = np.column_stack((np.zeros((num, width)), 10.0 * np.arange(1, num + 1)))
    return Head(np.zeros(width), np.ones(width), rows, lengths, np.full(num, 99.0))


@pytest.mark.parametrize(
    ("max_wait_s", "target", "too_slow"),
    [(None, "M", None), (60.0, "M", None), (20.0, "S", "M"), (1.0, None, "M")],
)
@pytest.mark.parametrize("cost_weight", [0.1, 0.0, -0.1])
def test_a_tier_that_takes_too_long_is_not_chosen(
    max_wait_s: float | None, target: str | None, too_slow: str | None, cost_weight: float
) -> None:
    heads = {(0, STAGES[0]): sure(0.2, 0.5, 0.9)}
    rows = RowGates(("XS", "S", "M"), TierCosts((1.0, 2.0, 4.0), 100.0), False, heads)
    order = GateOrder(
        kind="row",
        may_escalate=True,
        tier="XS",
        targets=("S", "M"),
        cost_weight=cost_weight,
        max_wait_s=max_wait_s,
        waits={
            "S": TierWait(load_s=1, prompt_token_s=0, token_s=0.1),
            "M": TierWait(load_s=1, prompt_token_s=0, token_s=1.0),
        },
    )
    verdict = RowGate(rows, order, TokenGate(order)).read(READING)
    assert verdict.target == target and verdict.escalate == bool(target)
    assert verdict.too_slow == too_slow
    assert verdict.lengths == {"XS": 10, "S": 20, "M": 30}


@pytest.mark.parametrize(("limit", "goes"), [(0.5, True), (1e9, False)])
@pytest.mark.parametrize("last", [1, 2])
def test_a_prompt_unlike_the_lesson_goes_one_tier_up_and_says_so(
    limit: float, goes: bool, last: int
) -> None:
    first = sure(0.9, 0.9, 0.9)
    # Nothing lies within the lesson's only direction.
    direction = np.zeros((3, 1))
    direction[0] = 1.0
    far = replace(READING, hidden=np.array([0, 1, 1], np.float32))
    head = replace(first, reach=Reach(direction, limit))
    gates = RowGates(
        ("XS", "S", "M"), TierCosts((1.0, 2.0, 4.0), 100.0), False, {(0, "prefill"): head}
    )
    verdict = gates.verdict(0, far, 0.1, last)
    assert verdict.escalate == goes
    if goes:
        assert (verdict.target, verdict.reason) == ("S", "unlike its lesson")
    near = replace(READING, hidden=np.array([1, 0, 0], np.float32))
    assert not gates.verdict(0, near, 0.1, last).escalate
    assert not gates.verdict(0, far, 0.1, 0).escalate


@pytest.mark.parametrize(("num_read", "target"), [({}, None), ({"M": 900}, "M"), ({"M": 9}, None)])
def test_a_tier_that_has_read_the_conversation_costs_only_what_is_new(
    num_read: dict[str, int], target: str | None
) -> None:
    heads = {(0, STAGES[0]): sure(0.5, 0.5, 0.9)}
    rows = RowGates(("XS", "S", "M"), TierCosts((1.0, 2.0, 4.0), 100.0), False, heads)
    long = Signals(num_prompt_tokens=900)
    reading = replace(READING, first=long, now=long, earlier=Earlier(num_read=num_read))
    assert rows.verdict(0, reading, 0.1, 2).target == target
