"""Our policy beside all others on one matrix: pooled, set by set, and at settings that are used.

Pure values and functions; does not know files, or how policies were fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tierchat.learning.evaluation import frontiers, metrics, report
from tierchat.learning.evaluation.frontiers import Frontiers, Interval
from tierchat.learning.evaluation.policies import Walk
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.evaluation.report import PolicyLine, WalkReport
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.types import Frozen

# Shares of the top tier's right answers at which settings are compared.
SHARES = (0.95, 0.99)


class SetLine(Frozen, frozen=True):
    """One set of prompts. `alone` are (cost, share of right answers) of each tier alone.

    `nhg` and `ours_ahead` are by the policy's name, with 95 % intervals over question groups of the
    set. `best_in_set` is the share of right answers of an oracle.
    """

    name: str
    num_prompts: int
    alone: dict[str, tuple[float, float]]
    best_in_set: float
    nhg: dict[str, Interval]
    ours_ahead: dict[str, Interval]


class Calibration(Frozen, frozen=True):
    """What a policy expected of one tier, in bins of equal numbers: (expected, right, number)."""

    tier: str
    bins: tuple[tuple[float, float, int], ...]
    ece: float


class Comparison(Frozen, frozen=True):
    """All policies on one matrix. `tiers` are (cost, share right) of each tier alone.

    `settings` holds, by share of the top tier's quality and by policy, the cheapest setting that
    reaches it on these prompts; a policy that never does is left out.
    """

    title: str
    num_prompts: int
    num_groups: int
    tiers: dict[str, tuple[float, float]]
    lines: tuple[PolicyLine, ...]
    sets: tuple[SetLine, ...]
    settings: dict[str, dict[str, WalkReport]]
    calibration: tuple[Calibration, ...]


def compare(
    title: str,
    matrix: Matrix,
    sets: Sequence[str],
    ours: Policy,
    others: Sequence[Policy],
    on_line: Callable[[int, int], None] = lambda _done, _all: None,
) -> Comparison:
    """Measure our policy and the others, walked over the whole matrix.

    `sets` names the set of each prompt.
    """
    everyone = (ours, *others)
    return Comparison(
        title=title,
        num_prompts=len(matrix.rows),
        num_groups=len(set(matrix.groups)),
        tiers=_alone(matrix, np.ones(len(matrix.rows), bool)),
        lines=report.policy_lines(matrix, ours, others, on_line),
        sets=set_lines(matrix, sets, ours, others),
        settings={f"{share:.2f}": settings_at(matrix, everyone, share) for share in SHARES},
        calibration=calibration_of(matrix, ours),
    )


def set_lines(
    matrix: Matrix, sets: Sequence[str], ours: Policy, others: Sequence[Policy]
) -> tuple[SetLine, ...]:
    """Measure every set by itself, in the order of their first prompts."""
    names, groups = np.asarray(sets), np.asarray(matrix.groups)
    found = []
    for name in dict.fromkeys(sets):
        chosen = names == name
        weights = np.zeros((1 + report.NUM_RESAMPLES, len(names)))
        weights[:, chosen] = frontiers.draw_weights(groups[chosen].tolist(), report.NUM_RESAMPLES)
        field = Frontiers(matrix, weights)
        samples = {policy.name: field.nhg(policy.walks) for policy in (ours, *others)}
        lead = {p.name: frontiers.interval(samples[ours.name] - samples[p.name]) for p in others}
        found.append(
            SetLine(
                name=name,
                num_prompts=int(chosen.sum()),
                alone=_alone(matrix, chosen),
                best_in_set=float(matrix.right[chosen].any(1).mean()),
                nhg={policy: frontiers.interval(values) for policy, values in samples.items()},
                ours_ahead=lead,
            )
        )
    return tuple(found)


def settings_at(matrix: Matrix, everyone: Sequence[Policy], share: float) -> dict[str, WalkReport]:
    """Describe each policy's cheapest setting that keeps a share of the top tier's quality."""
    found = {}
    for policy in everyone:
        walk = cheapest_reaching(policy.walks, share * float(matrix.right[:, -1].mean()))
        if walk is not None:
            found[policy.name] = report.describe_walk(matrix, walk)
    return found


def cheapest_reaching(walks: Sequence[Walk], quality: float) -> Walk | None:
    """Return the cheapest walk with at least this share of right answers."""
    reaching = [walk for walk in walks if walk.point()[1] >= quality - 1e-12]
    return min(reaching, key=lambda walk: walk.point()[0], default=None)


def calibration_of(matrix: Matrix, policy: Policy, num_bins: int = 10) -> tuple[Calibration, ...]:
    """Compare what a policy expects of the tier that it reads with how often that tier is right."""
    found = []
    for tier, seen in policy.expects.items():
        expected, truth = seen[:, 0], matrix.right[:, tier]
        parts = np.array_split(np.argsort(expected, kind="stable"), num_bins)
        bins = tuple(
            (float(expected[part].mean()), float(truth[part].mean()), len(part))
            for part in parts
            if len(part)
        )
        found.append(Calibration(matrix.tiers[tier], bins, metrics.ece(expected, truth)))
    return tuple(found)


def above_single_tiers(matrix: Matrix, walk: Walk, num_resamples: int = 400) -> Interval:
    """Return by how much a walk is more often right than mixing single tiers at equal compute."""
    weights = frontiers.draw_weights(matrix.groups, num_resamples)
    return frontiers.interval(Frontiers(matrix, weights).above_singles(walk))


def _alone(matrix: Matrix, chosen: np.ndarray) -> dict[str, tuple[float, float]]:
    costs, right = matrix.costs()[chosen].mean(0), matrix.right[chosen].mean(0)
    pairs = zip(matrix.tiers, costs / costs[-1], right, strict=True)
    return {name: (float(cost), float(share)) for name, cost, share in pairs}
