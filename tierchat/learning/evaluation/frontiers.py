"""NHG of many policies on the same resamples of question groups, within seconds.

The numbers are those of `metrics.nhg`, to the precision of float32; does not know how policies were
fitted. Needs threadpoolctl.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tierchat.learning.evaluation.metrics import quality_at
from tierchat.learning.evaluation.policies import Walk, oracle, singles
from tierchat.learning.outcomes.matrix import Floats, Matrix

Interval = tuple[float, float, float]


def draw_weights(groups: Sequence[str], num: int, seed: int = 0) -> Floats:
    """Return weights of prompts, shape (1 + num, n): the prompts as they are, then resamples.

    Whole groups are drawn, with replacement.
    """
    _, group_of = np.unique(np.asarray(groups), return_inverse=True)
    num_groups = int(group_of.max()) + 1
    even = np.full(num_groups, 1 / num_groups)
    counts = np.random.default_rng(seed).multinomial(num_groups, even, size=num)
    weights: Floats = np.concatenate((np.ones((1, len(group_of))), counts[:, group_of]))
    return weights


def interval(samples: Floats) -> Interval:
    """Return the first sample with the 95 % interval of the others."""
    if len(samples) == 1 or np.isnan(samples[1:]).all():
        return float(samples[0]), float(samples[0]), float(samples[0])
    low, high = np.nanpercentile(samples[1:], (2.5, 97.5))
    return float(samples[0]), float(low), float(high)


class Frontiers:
    """The floor and the ceiling of every resample, between which policies are placed.

    Prompts that weigh nothing in any resample are left out, so that one set of a matrix is
    measured by giving the others no weight.
    """

    def __init__(self, matrix: Matrix, weights: Floats) -> None:
        """Take weights of shape (resamples, n), of which no row is all 0."""
        self._rows = np.flatnonzero(weights.any(0))
        kept = weights[:, self._rows]
        self._shares = (kept / kept.sum(1, keepdims=True)).T.astype(np.float32)
        self._singles = singles(matrix)
        self._single_points = self._points(self._singles)
        costs = self._single_points[:, 0]
        self._low, self._high = costs.min(0), costs.max(0)
        self._base = self._areas(self._single_points)
        self._best = self._areas(self._points(oracle(matrix)))

    def nhg(self, walks: Sequence[Walk]) -> Floats:
        """Return the normalised hull gain in every resample.

        The policy may be mixed with single tiers at random, so NHG is never below 0.
        """
        areas = self._areas(np.concatenate((self._points(walks), self._single_points)))
        gain: Floats = (areas - self._base) / np.maximum(self._best - self._base, 1e-12)
        return gain

    def above_singles(self, walk: Walk) -> Floats:
        """Return in every resample by how much a walk is more often right than the best mixture of
        single tiers at the same cost.
        """
        costs, qualities = self._points([walk])[0]
        # Nothing costs less than the cheapest tier but by rounding.
        spent = np.maximum(costs, self._low)
        rest = [
            quality_at(self._single_points[:, :, i], spent[i : i + 1])[0] for i in range(len(spent))
        ]
        gain: Floats = qualities - np.array(rest)
        return gain

    def _points(self, walks: Sequence[Walk]) -> Floats:
        """Return mean cost and share right, shape (walks, 2, resamples)."""
        from threadpoolctl import threadpool_limits

        # Neighbouring settings often walk alike.
        distinct = {(w.cost.tobytes(), w.right.tobytes()): w for w in walks}.values()
        table = np.empty((len(distinct), 2, len(self._rows)), np.float32)
        for index, walk in enumerate(distinct):
            table[index] = walk.cost[self._rows], walk.right[self._rows]
        # One flat product: NumPy multiplies a stack of thin matrices many times slower. One thread:
        # on busy cores the threads of a product wait for each other many times longer than for one.
        with threadpool_limits(1):
            means = table.reshape(-1, len(self._rows)) @ self._shares
        points: Floats = means.reshape(len(distinct), 2, -1).astype(np.float64)
        return points

    def _areas(self, points: Floats) -> Floats:
        spans = zip(self._low, self._high, strict=True)
        return np.array(
            [hull_area(points[:, :, i], low, high) for i, (low, high) in enumerate(spans)]
        )


def hull_area(points: npt.NDArray[np.float64], low: float, high: float) -> float:
    """Return `metrics.aiq` of (cost, quality) points, in plain Python for speed."""
    order = np.lexsort((-points[:, 1], points[:, 0]))
    xs, ys = points[order, 0].tolist(), points[order, 1].tolist()
    hull: list[tuple[float, float]] = []
    for x, y in zip(xs, ys, strict=True):
        if hull and y <= hull[-1][1]:
            continue
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2], hull[-1]
            if (by - ay) * (x - ax) > (y - ay) * (bx - ax):
                break
            hull.pop()
        hull.append((x, y))
    area = 0.0
    # The hull is level beyond its last point and 0 before its first.
    hull.append((max(high, hull[-1][0]), hull[-1][1]))
    for (ax, ay), (bx, by) in itertools.pairwise(hull):
        left, right = max(ax, low), min(bx, high)
        if right > left:
            slope = (by - ay) / (bx - ax) if bx > ax else 0.0
            area += (right - left) * (ay + slope * ((left + right) / 2 - ax))
    return area / (high - low) if high > low else 0.0
