"""The token gate's three decisions."""

from __future__ import annotations

import pytest

from tierchat.gates.order import GateOrder
from tierchat.gates.signals import Reading
from tierchat.gates.token_gate import TokenGate
from tierchat.types import Hold, Signals, Stage

MAY = GateOrder(kind="token", may_escalate=True)


def reading(stage: Stage, probability: float | None, *logprobs: float) -> Reading:
    now = Signals(escalate_probability=probability)
    return Reading(stage, now, now, answer_logprobs=(-0.1, *logprobs, 0.0))


@pytest.mark.parametrize("stage", ["prefill", "first"])
@pytest.mark.parametrize(("probability", "goes_up"), [(0.31, True), (0.3, False), (0.0, False)])
def test_a_probability_over_the_models_threshold_goes_up(
    stage: Stage, probability: float, goes_up: bool
) -> None:
    verdict = TokenGate(MAY, 0.3).read(reading(stage, probability))
    assert verdict.escalate is goes_up
    assert verdict.target is None
    assert verdict.estimates["escalate_probability"] == probability


def test_the_orders_threshold_beats_the_models() -> None:
    order = GateOrder(kind="token", may_escalate=True, escalate_threshold=0.9)
    assert not TokenGate(order, 0.3).read(reading("prefill", 0.8)).escalate


def test_a_tier_that_must_answer_never_goes_up_but_says_what_it_read() -> None:
    gate = TokenGate(GateOrder(kind="token"), 0.3, -0.5)
    verdict = gate.read(reading("prefill", 0.99))
    assert not verdict.escalate and verdict.reason == "escalate token"
    assert not gate.read(reading("answer", None, -4.0)).escalate


def test_a_finished_answer_with_a_weak_token_goes_up() -> None:
    gate = TokenGate(MAY, 0.3, -0.75)
    assert gate.read(reading("answer", None, -0.8)).escalate
    assert not gate.read(reading("answer", None, -0.7)).escalate


@pytest.mark.parametrize(
    ("hold", "hold_back", "threshold", "stages"),
    [
        ("first", 8, -0.5, ("prefill", "first")),
        ("judged", 8, None, ("prefill", "first")),
        ("judged", 8, -0.5, ("prefill", "first", "answer")),
        ("first", 0, -0.5, ("prefill",)),
    ],
)
def test_it_may_decide_where_it_has_something_to_read(
    hold: Hold, hold_back: int, threshold: float | None, stages: tuple[Stage, ...]
) -> None:
    order = GateOrder(kind="token", may_escalate=True, hold=hold, hold_back=hold_back)
    assert TokenGate(order, 0.3, threshold).stages == stages
    without = TokenGate(order, 0.3, threshold, reads_token=False)
    assert without.stages == tuple(stage for stage in stages if stage == "answer")
    must = GateOrder(kind="token", hold=hold, hold_back=hold_back)
    assert TokenGate(must, 0.3, threshold).stages == ()


def test_the_first_tokens_wait_for_the_gate_and_no_more() -> None:
    gate = TokenGate(MAY)
    assert gate.holds("a", 7) and not gate.holds("a", 8)


def test_without_an_escalate_token_or_threshold_the_tier_keeps_the_prompt() -> None:
    gate = TokenGate(MAY)
    assert not gate.read(reading("prefill", None)).escalate
    assert not gate.read(reading("answer", None, -9.0)).escalate
