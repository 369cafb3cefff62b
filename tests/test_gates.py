"""The token gate's three decisions."""

from __future__ import annotations

import pytest

from tierchat.gates import TokenGate
from tierchat.protocol import GateOrder
from tierchat.types import Signals, Stage

MAY = GateOrder(kind="token", may_escalate=True)


@pytest.mark.parametrize("stage", ["prefill", "first"])
@pytest.mark.parametrize(("probability", "goes_up"), [(0.31, True), (0.3, False), (0.0, False)])
def test_a_probability_over_the_models_threshold_goes_up(
    stage: Stage, probability: float, goes_up: bool
) -> None:
    verdict = TokenGate(MAY, 0.3).read(stage, Signals(escalate_probability=probability))
    assert verdict.escalate is goes_up
    assert verdict.target is None
    assert verdict.estimates["escalate_probability"] == probability


def test_the_orders_threshold_beats_the_models() -> None:
    order = GateOrder(kind="token", may_escalate=True, escalate_threshold=0.9)
    assert not TokenGate(order, 0.3).read("prefill", Signals(escalate_probability=0.8)).escalate


def test_a_tier_that_must_answer_never_goes_up_but_says_what_it_read() -> None:
    gate = TokenGate(GateOrder(kind="token"), 0.3, -0.5)
    verdict = gate.read("prefill", Signals(escalate_probability=0.99))
    assert not verdict.escalate and verdict.reason == "escalate token"
    assert not gate.read("answer", Signals(answer_min_logprob=-4.0)).escalate


def test_a_finished_answer_with_a_weak_token_goes_up() -> None:
    gate = TokenGate(MAY, 0.3, -0.75)
    assert gate.read("answer", Signals(answer_min_logprob=-0.8)).escalate
    assert not gate.read("answer", Signals(answer_min_logprob=-0.7)).escalate


def test_without_an_escalate_token_or_threshold_the_tier_keeps_the_prompt() -> None:
    gate = TokenGate(MAY)
    assert not gate.read("prefill", Signals(entropy=3.0)).escalate
    assert not gate.read("answer", Signals(answer_min_logprob=-9.0)).escalate
