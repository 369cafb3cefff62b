"""A promised quality is kept in at least 95 of 100 draws, and costs less than the top tier."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.made_matrix import made_matrix
from tierchat.gates.files import cheapest_keeping
from tierchat.gates.row_gate import Guess, TierCosts
from tierchat.learning.evaluation import policies
from tierchat.learning.evaluation.promise import (
    PROMISE_WEIGHTS,
    is_kept,
    promises,
    tradeoffs,
)
from tierchat.learning.evaluation.promise_trial import try_promises
from tierchat.learning.outcomes.matrix import Floats, Matrix

# 5 % of 200, and twice the standard error of counting them.
MAX_BELOW = 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5
COSTS = np.array([0.1, 0.3, 1.0])
HOP = 0.03


class World:
    """Prompts of known probabilities; the gate sees them distorted and with noise."""

    def __init__(self, seed: int, ease: tuple[float, float, float], bias: float, noise: float):
        self._rng, self._ease = np.random.default_rng(seed), np.array(ease)
        self._bias, self._noise = bias, noise

    def draw(self, num: int) -> list[policies.Walk]:
        """Draw new prompts and walk them at every weight; the last walk is the top tier alone."""
        rng = self._rng
        odds = 2.2 * (self._ease - rng.normal(size=(num, 1)))
        right = rng.random((num, 3)) < 1 / (1 + np.exp(-odds))
        seen = odds + self._noise * rng.normal(size=odds.shape)
        # Too sure of the small tiers where the bias is positive.
        seen = 1 / (1 + np.exp(-(seen + self._bias * np.array([1.0, 0.5, 0.0]))))
        top = np.full(num, 2)
        tiers = [np.argmax(seen - weight * COSTS, axis=1) for weight in PROMISE_WEIGHTS]
        return [_walk(right, tier, COSTS[tier] + HOP * (tier > 0)) for tier in (*tiers, top)]


def _walk(right: np.ndarray, tier: np.ndarray, cost: Floats) -> policies.Walk:
    none = np.zeros(len(tier))
    return policies.Walk(
        tier=tier,
        right=right[np.arange(len(tier)), tier],
        cost=cost,
        tokens=none,
        discarded=none,
        num_hops=none.astype(int),
        hop_generated=none,
        refused=none.astype(bool),
    )


class _Drawn:
    """As much of a matrix as a promise reads."""

    def __init__(self, top: np.ndarray):
        self.right = top[:, None]
        self.groups = tuple(map(str, range(len(top))))


@pytest.mark.parametrize("quality", [pytest.param(0.9, marks=pytest.mark.slow), 0.95])
@pytest.mark.parametrize(
    ("bias", "noise"), [(0.0, 0.5), (2.0, 1.0), (-1.0, 2.0)], ids=["good", "too sure", "vague"]
)
def test_of_200_lessons_at_most_5_percent_break_a_promise(
    quality: float, bias: float, noise: float
) -> None:
    world = World(7, (0.5, 2.0, 3.5), bias, noise)
    num_below, costs = 0, []
    for _ in range(200):
        *walks, top = world.draw(250)
        setting = cheapest_keeping(tradeoffs(_Drawn(top.right), walks), quality)  # type: ignore[arg-type]
        *judging, judging_top = world.draw(250)
        if setting is None:
            costs.append(1.0)
            continue
        walk = judging[PROMISE_WEIGHTS.index(setting.cost_weight)]
        num_below += walk.right.mean() < quality * judging_top.right.mean()
        costs.append(walk.cost.mean())
    assert num_below / 200 <= MAX_BELOW
    # A promise that the top tier always keeps would be worth nothing.
    assert np.mean(costs) < 0.8


def test_estimates_alone_break_what_they_say_half_of_the_time() -> None:
    world = World(7, (0.5, 2.0, 3.5), 0.0, 0.5)
    num_below = 0
    for _ in range(100):
        *walks, top = world.draw(250)
        found = tradeoffs(_Drawn(top.right), walks)  # type: ignore[arg-type]
        best = min((t for t in found if t.quality >= 0.95), key=lambda t: t.cost)
        *judging, judging_top = world.draw(250)
        walk = judging[PROMISE_WEIGHTS.index(best.cost_weight)]
        num_below += walk.right.mean() < 0.95 * judging_top.right.mean()
    assert num_below > 25


def test_few_prompts_promise_nothing() -> None:
    *walks, top = World(3, (0.5, 2.0, 3.5), 0.0, 0.5).draw(20)
    found = tradeoffs(_Drawn(top.right), walks)  # type: ignore[arg-type]
    assert cheapest_keeping(found, 0.95) is None
    assert cheapest_keeping(found, 0.0) is not None


def test_promises_fall_from_weight_to_weight_and_more_prompts_promise_more() -> None:
    most = []
    for num in (60, 250, 2_000):
        *walks, top = World(5, (0.5, 2.0, 3.5), 0.0, 0.5).draw(num)
        found = promises(_Drawn(top.right), walks)  # type: ignore[arg-type]
        assert found == sorted(found, reverse=True) and 0 <= min(found) <= max(found) <= 1
        most.append(found[PROMISE_WEIGHTS.index(0.0)])
    assert most == sorted(most)


def test_the_same_prompt_a_hundred_times_is_one_observation() -> None:
    ours, top = np.ones(300), np.ones(300)
    assert is_kept(ours, top, 0.95)
    assert not is_kept(np.array([100.0] * 3), np.array([100.0] * 3), 0.95, largest=100.0)


def test_a_top_tier_that_is_never_right_is_matched_by_anything() -> None:
    none = np.zeros(100)
    assert not is_kept(none, none, 1.0), "nothing was seen that would show it"
    assert is_kept(np.ones(100), none, 1.0)


def _estimates(matrix: Matrix) -> policies.Estimates:
    """Let rows expect the true outcome, a little less sure of it."""
    return {
        (tier, "prefill"): Guess(
            0.1 + 0.8 * matrix.right[:, tier:], matrix.generated_tokens[:, tier:]
        )
        for tier in range(3)
    }


def test_a_trial_splits_groups_and_reports_every_quality() -> None:
    matrix = made_matrix(600, 1)
    prompts = tuple(
        msgspec.structs.replace(p, group=f"{i // 2}") for i, p in enumerate(matrix.prompts)
    )
    matrix = replace(matrix, prompts=prompts)
    costs = TierCosts(matrix.parameters, matrix.unit())
    walks = [
        policies.walk(matrix, _estimates(matrix), costs, weight, ("prefill",))
        for weight in PROMISE_WEIGHTS
    ]
    lines = try_promises(matrix, walks, (0.8, 0.95), num_resamples=40)
    assert [line.quality for line in lines] == [0.8, 0.95]
    for line in lines:
        assert line.below <= 0.05 + 2 * (0.05 * 0.95 / 40) ** 0.5
        assert line.cost < 1 and line.kept >= line.quality
