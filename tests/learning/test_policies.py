"""Replayed policies, and rows fitted to a made-up matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.made_matrix import PARAMETERS, made_matrix
from tierchat.gates.order import GateOrder
from tierchat.gates.row_gate import STAGES, RowGate, RowGates, choose
from tierchat.gates.token_gate import TokenGate
from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.outcomes.matrix import reading_of

pytest.importorskip("sklearn", reason="extra [train]")

from tierchat.learning.training.fit import costs_of, fit_gates, predict
from tierchat.learning.training.teaching import Round, choose_gates, choose_way, has_settled

LEARNED, JUDGED = made_matrix(400, 1), made_matrix(300, 2)


@pytest.fixture(scope="module")
def fitted():  # type: ignore[no-untyped-def]
    fit = fit_gates(LEARNED, has_token=False)
    return fit, predict(fit.gates, JUDGED)


def test_rows_find_what_hidden_states_tell(fitted) -> None:  # type: ignore[no-untyped-def]
    fit, estimates = fitted
    for tier in range(3):
        p = estimates[tier, "prefill"].right[:, 0]
        assert metrics.auroc(p, JUDGED.right[:, tier]) > 0.85
        assert metrics.ece(p, JUDGED.right[:, tier]) < 0.1
        assert ((p >= 0) & (p <= 1)).all()
    assert fit.estimates[0, "prefill"].right.shape == (400, 3)


def test_a_frontier_is_far_above_mixing_tiers_and_below_the_oracle(fitted) -> None:  # type: ignore[no-untyped-def]
    fit, estimates = fitted
    walks = policies.frontier(JUDGED, estimates, fit.gates.costs)
    value, low, high = policies.nhg(JUDGED, walks, 100)
    assert 0.3 < value < 1 and low <= value <= high
    assert policies.nhg(JUDGED, policies.oracle(JUDGED))[0] == pytest.approx(1)
    assert policies.nhg(JUDGED, policies.singles(JUDGED))[0] == pytest.approx(0)


def test_every_visited_tier_is_charged(fitted) -> None:  # type: ignore[no-untyped-def]
    fit, estimates = fitted
    for weight in (0.0, 0.1, 1.0):
        for jumps in (True, False):
            walk = policies.walk(JUDGED, estimates, fit.gates.costs, weight, jumps=jumps)
            for i, row in enumerate(JUDGED.rows):
                least = PARAMETERS[walk.tier[i]] * (10 + row[walk.tier[i]].num_generated_tokens)
                if walk.tier[i]:
                    least += PARAMETERS[0] * 10
                assert walk.cost[i] * JUDGED.unit() >= least - 1e-6
                assert walk.num_hops[i] <= walk.tier[i]
                assert jumps or walk.num_hops[i] == walk.tier[i]


def test_dear_compute_stays_at_the_bottom_and_free_compute_takes_the_best(fitted) -> None:  # type: ignore[no-untyped-def]
    fit, estimates = fitted
    assert (policies.walk(JUDGED, estimates, fit.gates.costs, 1e9).tier == 0).all()
    free = policies.walk(JUDGED, estimates, fit.gates.costs, 0.0)
    assert free.right.mean() >= JUDGED.right[:, -1].mean() - 0.02


def _up_to(gates: RowGates, num_stages: int) -> RowGates:
    kept = STAGES[:num_stages]
    return replace(gates, heads={k: head for k, head in gates.heads.items() if k[1] in kept})


def test_a_lesson_keeps_the_decisions_that_pay(fitted) -> None:  # type: ignore[no-untyped-def]
    fit, estimates = fitted

    def nhg(gates: RowGates) -> float:
        return policies.nhg(JUDGED, policies.gated(JUDGED, estimates, gates))[0]

    chosen = choose_way(fit.gates, JUDGED, estimates)
    ways = [
        replace(_up_to(fit.gates, num), jumps=jumps) for num in (1, 2, 3) for jumps in (True, False)
    ]
    assert nhg(chosen) > max(nhg(way) for way in ways) - 0.01
    # What is read later says nothing at all here.
    useless = {
        place: guess if place[1] == "prefill" else replace(guess, right=0 * guess.right + 0.5)
        for place, guess in estimates.items()
    }
    assert choose_way(fit.gates, JUDGED, useless).stages == ("prefill",)


@pytest.mark.parametrize(("limit", "kept"), [(-1.0, 1e9), (1e8, 1e8)])
def test_a_lesson_reaches_to_its_farthest_prompt_where_less_costs_much(  # type: ignore[no-untyped-def]
    fitted, limit: float, kept: float
) -> None:
    """Nothing lies within the first limit, everything within the second."""
    fit, _ = fitted
    heads = {
        place: replace(head, reach=replace(head.reach, limit=limit, farthest=1e9))
        if head.reach
        else head
        for place, head in fit.gates.heads.items()
    }
    gates, estimates, nhg = choose_gates(replace(fit.gates, heads=heads), JUDGED)
    reach = gates.heads[0, "prefill"].reach
    assert reach and reach.limit == kept
    assert nhg == policies.nhg(JUDGED, policies.gated(JUDGED, estimates, gates))[0] > 0.1


@pytest.mark.parametrize("has_letters", [True, False])
@pytest.mark.parametrize("num_stages", [1, 2, 3])
def test_the_gate_in_a_worker_decides_as_the_replay(  # type: ignore[no-untyped-def]
    fitted, num_stages: int, has_letters: bool
) -> None:
    fit, estimates = fitted
    fit = replace(fit, gates=_up_to(fit.gates, num_stages))
    if not has_letters:
        fit = replace(fit, gates=replace(fit.gates, unread=None))
    weight, letters = 0.2, estimates[0, "unread"]
    alone = fit.gates.costs.unread(letters.prompt_tokens, letters.generated)
    first = choose(letters.right, alone, weight) if has_letters else [0] * len(JUDGED.rows)
    [walk] = policies.gated(JUDGED, estimates, fit.gates, [weight])
    for i, row in enumerate(JUDGED.rows):
        tier = int(first[i])
        expected = dict(zip(JUDGED.tiers, letters.right[i], strict=True)) if has_letters else {}
        while tier < 2:
            targets = JUDGED.tiers[tier + 1 :]
            order = GateOrder(
                kind="row",
                may_escalate=True,
                tier=JUDGED.tiers[tier],
                targets=targets,
                cost_weight=weight,
                expected=expected,
            )
            gate = RowGate(fit.gates, order, TokenGate(order))
            readings = (reading_of(row[tier], stage, JUDGED.hold_back) for stage in STAGES)
            target = next((v.target for r in readings if (v := gate.read(r)).target), None)
            if target is None:
                break
            tier = JUDGED.tiers.index(target)
        assert tier == walk.tier[i]


def test_a_gate_goes_no_higher_than_it_may(fitted) -> None:  # type: ignore[no-untyped-def]
    fit, _ = fitted
    for row in JUDGED.rows[:50]:
        for targets, may in (((), True), (("S",), True), (("S", "M"), False)):
            order = GateOrder(kind="row", may_escalate=may, tier="XS", targets=targets)
            verdict = RowGate(fit.gates, order, TokenGate(order)).read(
                reading_of(row[0], "prefill", 8)
            )
            assert verdict.target in (targets if may else ()) or verdict.target is None


def test_ties_stay() -> None:
    assert choose(np.array([0.5, 0.5]), np.array([0.0, 0.0]), 1.0) == 0


def test_costs_ahead_leave_out_what_is_paid() -> None:
    costs = costs_of(JUDGED)
    at_prompt, at_end = (
        costs.ahead(1, stage, np.array([10.0]), np.array([[5.0, 6.0]]))[0]
        for stage in ("prefill", "answer")
    )
    assert at_end[0] == 0 and at_prompt[0] > 0 and at_end[1] == at_prompt[1]


@pytest.mark.parametrize(
    ("curve", "settled"),
    [
        ([0.7], False),
        ([0.7, 0.7, 0.7], False),
        ([0.7, 0.7, 0.7, 0.7], True),
        # One dip or one still doubling says nothing; eight times the prompts do.
        ([0.7, 0.7, 0.7, 0.72], False),
        ([0.7, 0.7, 0.73, 0.72, 0.72], False),
        ([0.7, 0.7, 0.73, 0.72, 0.72, 0.735], True),
    ],
)
def test_a_lesson_ends_where_eight_times_the_prompts_gain_nothing(
    curve: list[float], settled: bool
) -> None:
    rounds = [Round(n, 100 * 2**n, nhg, 1.0) for n, nhg in enumerate(curve, 1)]
    assert has_settled(rounds) == settled
