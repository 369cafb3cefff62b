"""Areas and intervals computed in bulk are those of the plain definitions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made_matrix import made_matrix
from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.evaluation.frontiers import Frontiers, draw_weights, hull_area, interval

MATRIX = made_matrix(300, 3)
WALKS = policies.oracle(MATRIX)[::6]


def test_the_area_is_that_of_the_plain_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        points = rng.random((rng.integers(1, 20), 2))
        low = float(points[:, 0].min() + rng.random() * 0.3)
        assert hull_area(points, low, low + 0.4) == pytest.approx(
            metrics.aiq(points, low, low + 0.4)
        )


def test_nhg_of_all_resamples_is_that_of_each() -> None:
    weights = draw_weights(MATRIX.groups, 20)
    statistic = policies.nhg_of(MATRIX, WALKS)
    found = Frontiers(MATRIX, weights).nhg(WALKS)
    assert found == pytest.approx([statistic(row) for row in weights])


def test_a_set_is_measured_by_giving_the_others_no_weight() -> None:
    chosen = np.array(MATRIX.families) == "f1"
    found = Frontiers(MATRIX, chosen[None] * 1.0).nhg(WALKS)
    assert found[0] == pytest.approx(policies.nhg_of(MATRIX, WALKS)(chosen * 1.0))


def test_whole_groups_are_drawn_and_the_first_row_is_the_prompts_as_they_are() -> None:
    weights = draw_weights(["a", "a", "b", "c"], 50, seed=1)
    assert (weights[0] == 1).all() and (weights[:, 0] == weights[:, 1]).all()
    assert (weights[1:, [0, 2, 3]].sum(1) == 3).all()


def test_an_interval_holds_most_resamples() -> None:
    assert interval(np.array([5.0, *range(101)])) == (5.0, 2.5, 97.5)
    assert interval(np.array([1.0])) == (1.0, 1.0, 1.0)
