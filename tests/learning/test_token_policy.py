"""The models' own escalate tokens replayed: who answers, who refuses, and what each hop costs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made_matrix import cell, matrix_of
from tierchat.gates.order import GateOrder
from tierchat.gates.signals import Reading
from tierchat.gates.token_gate import TokenGate
from tierchat.learning.evaluation.token_policy import TokenLimits, token_alone, token_gated
from tierchat.learning.outcomes.matrix import Cell
from tierchat.workers.protocol import ModelInfo

LIMITS = (TokenLimits(0.5, -1.0),) * 3


def test_a_hop_at_the_prompt_costs_its_prompt_and_no_generated_token() -> None:
    one = matrix_of([cell(False, 0.9), cell(True), cell(True)])
    walk = token_gated(one, LIMITS)
    assert walk.tier.tolist() == [1] and walk.right.tolist() == [True]
    assert walk.cost[0] * one.unit() == pytest.approx(1 * 10 + 5 * 14)
    assert (walk.discarded[0], walk.num_hops[0], walk.hop_generated[0]) == (10, 1, 0)


def test_decision_c_pays_for_the_answer_that_it_throws_away() -> None:
    one = matrix_of([cell(False, 0.1, -2.0), cell(True), cell(True)])
    assert token_gated(one, LIMITS).tier.tolist() == [0]
    walk = token_gated(one, LIMITS, reads_answer=True)
    assert walk.tier.tolist() == [1] and walk.hop_generated.tolist() == [4]
    unread = matrix_of([cell(False, 0.1, None), cell(True), cell(True)])
    assert token_gated(unread, LIMITS, reads_answer=True).tier.tolist() == [0]
    no_decision_c = (TokenLimits(0.5, None),) * 3
    assert token_gated(one, no_decision_c, reads_answer=True).tier.tolist() == [0]


def test_a_prompt_that_every_tier_gives_up_is_refused() -> None:
    one = matrix_of([cell(True, 0.9)] * 3, [cell(True)] * 3)
    walk = token_gated(one, LIMITS)
    assert walk.refused.tolist() == [True, False] and walk.right.tolist() == [False, True]
    assert walk.tokens.tolist() == [30, 14] and walk.discarded.tolist() == [30, 0]
    assert walk.num_hops.tolist() == [2, 0]


def test_a_tier_that_is_asked_alone_refuses_where_it_would_escalate() -> None:
    one = matrix_of([cell(True), cell(True, 0.9), cell(True)], [cell(True)] * 3)
    walk = token_alone(one, LIMITS, 1)
    assert walk.refused.tolist() == [True, False] and walk.tier.tolist() == [1, 1]
    assert walk.tokens.tolist() == [10, 14] and walk.num_hops.tolist() == [0, 0]


def test_a_model_without_an_escalate_token_never_gives_a_prompt_up() -> None:
    assert token_gated(matrix_of([cell(False, None)] * 3), LIMITS).tier.tolist() == [0]


def test_thresholds_come_from_the_models_file() -> None:
    info = ModelInfo(
        name="m",
        architecture="llama",
        parameters=1,
        size_bytes=1,
        context=64,
        vocabulary_size=9,
        escalate_threshold=0.2,
        answer_threshold=-3.0,
    )
    assert TokenLimits.of(info) == TokenLimits(0.2, -3.0)
    plain = ModelInfo(
        name="m", architecture="llama", parameters=1, size_bytes=1, context=64, vocabulary_size=9
    )
    assert TokenLimits.of(plain) == TokenLimits(0.5, None)


def test_the_gate_in_a_worker_decides_as_the_replay() -> None:
    rng = np.random.default_rng(3)
    rows = [
        [cell(True, float(rng.random()), -2 * float(rng.random())) for _ in range(3)]
        for _ in range(200)
    ]
    walk = token_gated(matrix_of(*rows), LIMITS, reads_answer=True)
    gate = TokenGate(GateOrder(kind="token", may_escalate=True), 0.5, -1.0)
    for row, last, is_refused in zip(rows, walk.tier, walk.refused, strict=True):
        visited = row[: last + 1]
        leaves = [_leaves(gate, visit) for visit in visited]
        assert leaves == [True] * int(last) + [bool(is_refused)]


def _leaves(gate: TokenGate, visit: Cell) -> bool:
    first = visit.probe.first
    at_prompt = Reading(stage="prefill", now=first, first=first)
    answered = Reading(
        stage="answer", now=first, first=first, answer_logprobs=(visit.answer_min_logprob or 0.0,)
    )
    return gate.read(at_prompt).escalate or gate.read(answered).escalate
