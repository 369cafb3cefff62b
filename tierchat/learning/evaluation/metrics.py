"""Quality against cost: hulls, areas, NHG and the metrics of the literature, with intervals.

Pure functions over numbers; they do not know prompts, tiers or models. Costs are relative to the
top tier's mean cost, qualities are shares of right answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NUM_RESAMPLES = 1_000


def hull(points: Floats) -> Floats:
    """Return the upper concave, non-decreasing hull of (cost, quality) points, shape (n, 2).

    Mixing two policies at random reaches every point of the hull (RouterBench, arXiv 2403.12031).
    """
    ordered = points[np.lexsort((-points[:, 1], points[:, 0]))]
    corners: list[tuple[float, float]] = []
    for cost, quality in ordered:
        if corners and quality <= corners[-1][1]:
            continue
        while len(corners) > 1 and _turns_up(corners[-2], corners[-1], (cost, quality)):
            corners.pop()
        corners.append((float(cost), float(quality)))
    return np.array(corners)


def _turns_up(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) <= (c[1] - a[1]) * (b[0] - a[0])


def quality_at(points: Floats, costs: Floats) -> Floats:
    """Return the quality of the hull of `points` at `costs`; 0 below its cheapest point."""
    line = hull(points)
    qualities: Floats = np.interp(costs, line[:, 0], line[:, 1], left=0.0)
    return qualities


def aiq(points: Floats, low: float, high: float) -> float:
    """Return the mean quality of the hull of `points` over costs `low`..`high` (RouterBench)."""
    line = hull(points)
    inner = line[(line[:, 0] > low) & (line[:, 0] < high), 0]
    costs = np.concatenate(([low], inner, [high]))
    return float(np.trapezoid(quality_at(points, costs), costs) / (high - low))


def nhg(policy: Floats, singles: Floats, oracle: Floats) -> float:
    """Return the normalised hull gain: 0 is mixing single tiers at random, 1 is the oracle.

    Areas are taken over the cost range of the single tiers. Each argument has shape (n, 2).
    """
    low, high = singles[:, 0].min(), singles[:, 0].max()
    base, best = aiq(singles, low, high), aiq(oracle, low, high)
    return (aiq(policy, low, high) - base) / max(best - base, 1e-12)


def cost_at(points: Floats, quality: float) -> float:
    """Return the least cost on the hull that reaches `quality`; infinite if no point does."""
    line = hull(points)
    if line[-1, 1] < quality:
        return float("inf")
    return float(np.interp(quality, line[:, 1], line[:, 0]))


def apgr(points: Floats, weak: float, strong: float) -> float:
    """Return the mean recovered share of the gap between weak and strong (RouteLLM).

    `points` are (share of strong calls, quality), from no call to all.
    """
    ordered = points[np.argsort(points[:, 0])]
    recovered = (ordered[:, 1] - weak) / max(strong - weak, 1e-12)
    return float(np.trapezoid(recovered, ordered[:, 0]))


def cpt(points: Floats, weak: float, strong: float, recovered: float) -> float:
    """Return the least share of strong calls that recovers a share of the gap (RouteLLM)."""
    ordered = points[np.argsort(points[:, 0])]
    enough = ordered[:, 1] >= weak + recovered * (strong - weak)
    return float(ordered[enough, 0].min()) if enough.any() else float("inf")


def auroc(scores: Floats, truths: npt.NDArray[np.bool_]) -> float:
    """Return the chance that a true case scores higher than a false one; ties count half."""
    num_true = int(truths.sum())
    num_false = len(truths) - num_true
    if not num_true or not num_false:
        return float("nan")
    values, value_of = np.unique(scores, return_inverse=True)
    counts = np.bincount(value_of, minlength=len(values))
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = ranks[value_of][truths].sum()
    return float((total - num_true * (num_true + 1) / 2) / (num_true * num_false))


def log_loss(probabilities: Floats, truths: npt.NDArray[np.bool_]) -> float:
    """Return the mean negative log-likelihood in nats; certainty that was wrong costs 9.2."""
    given = np.clip(np.where(truths, probabilities, 1 - probabilities), 1e-4, 1.0)
    return float(-np.log(given).mean())


def ece(probabilities: Floats, truths: npt.NDArray[np.bool_], num_bins: int = 15) -> float:
    """Return the expected calibration error over bins of equal width."""
    bins = np.minimum((probabilities * num_bins).astype(int), num_bins - 1)
    error = 0.0
    for index in np.unique(bins):
        chosen = bins == index
        error += chosen.mean() * abs(probabilities[chosen].mean() - truths[chosen].mean())
    return float(error)


def bootstrap(
    statistic: Callable[[Floats], float],
    groups: Sequence[str],
    seed: int = 0,
    num: int = NUM_RESAMPLES,
) -> tuple[float, float, float]:
    """Return a statistic of prompt weights with its 95 % interval over whole question groups.

    The same seed draws the same groups, so that the resamples of two policies are paired.
    """
    _, group_of = np.unique(np.asarray(groups), return_inverse=True)
    num_groups = int(group_of.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(num):
        counts = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups))
        drawn.append(statistic(counts[group_of].astype(float)))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return statistic(np.ones(len(group_of))), float(low), float(high)
