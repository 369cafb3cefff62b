"""Hulls, areas, NHG and friends against slow or well-known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierchat.learning.evaluation import metrics

Points = st.lists(
    st.tuples(st.floats(0, 2, allow_subnormal=False), st.floats(0, 1, allow_subnormal=False)),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(Points)
def test_the_hull_is_concave_rises_and_lies_over_every_point(points: list[tuple[float, float]]):
    line = metrics.hull(np.array(points))
    steps = np.diff(line, axis=0)
    assert (steps > 0).all()
    slopes = steps[:, 1] / steps[:, 0]
    assert (np.diff(slopes) <= 1e-9).all() or not np.isfinite(slopes).all()
    for cost, quality in points:
        assert metrics.quality_at(np.array(points), np.array([cost]))[0] >= quality - 1e-9


def test_nhg_is_none_for_the_hull_and_one_for_the_oracle() -> None:
    singles = np.array([(0.1, 0.4), (1.0, 0.9)])
    oracle = np.array([(0.1, 0.4), (0.3, 0.95), (1.0, 0.95)])
    assert metrics.nhg(singles, singles, oracle) == pytest.approx(0)
    assert metrics.nhg(oracle, singles, oracle) == pytest.approx(1)
    half = np.array([(0.1, 0.4), (0.5, 0.8), (1.0, 0.9)])
    assert 0 < metrics.nhg(half, singles, oracle) < 1


def test_the_area_of_two_tiers_is_that_of_a_trapezium() -> None:
    assert metrics.aiq(np.array([(0.0, 0.0), (1.0, 1.0)]), 0.0, 1.0) == pytest.approx(0.5)


def test_the_cost_of_a_quality_is_read_off_the_hull() -> None:
    points = np.array([(0.0, 0.0), (1.0, 1.0)])
    assert metrics.cost_at(points, 0.25) == pytest.approx(0.25)
    assert metrics.cost_at(points, 1.5) == float("inf")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=2))
def test_auroc_is_sklearns(pairs: list[tuple[float, bool]]) -> None:
    learn = pytest.importorskip("sklearn.metrics", reason="extra [train]")
    scores = np.array([score for score, _ in pairs])
    truths = np.array([truth for _, truth in pairs])
    if truths.all() or not truths.any():
        assert np.isnan(metrics.auroc(scores, truths))
    else:
        assert metrics.auroc(scores, truths) == pytest.approx(learn.roc_auc_score(truths, scores))


def test_what_is_calibrated_has_no_calibration_error() -> None:
    probabilities = np.array([0.25] * 4 + [1.0] * 3)
    truths = np.array([True, False, False, False, True, True, True])
    assert metrics.ece(probabilities, truths) == pytest.approx(0)
    assert metrics.ece(1 - probabilities, truths) > 0.4


def test_routing_metrics_of_a_straight_line() -> None:
    points = np.array([(share, 0.4 + 0.5 * share) for share in np.linspace(0, 1, 11)])
    assert metrics.apgr(points, 0.4, 0.9) == pytest.approx(0.5)
    assert metrics.cpt(points, 0.4, 0.9, 0.5) == pytest.approx(0.5)


def test_a_bootstrap_keeps_groups_whole() -> None:
    values = np.array([0.0, 0.0, 1.0, 1.0])
    seen = set()

    def statistic(weights: np.ndarray) -> float:
        seen.add((weights[0] == weights[1]) and (weights[2] == weights[3]))
        return float(np.average(values, weights=weights))

    value, low, high = metrics.bootstrap(statistic, ["a", "a", "b", "b"], num=100)
    assert seen == {True} and value == 0.5 and low == 0.0 and high == 1.0
