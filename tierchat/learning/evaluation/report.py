"""What is said of a policy on a matrix: one line of numbers each, and the points of its curve.

Does not know files or terminals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.evaluation.controls import Control
from tierchat.learning.evaluation.policies import Walk
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.types import Frozen

NUM_RESAMPLES = 400


class PolicyLine(Frozen, frozen=True):
    """One policy: NHG and its lead over it are (value, low, high) with 95 % intervals.

    `cost_at_99` is the least cost at 99 % of the top tier's quality, `qnc` that of the best single
    tier's, both relative to the top tier; infinite if never reached. `aiq` is the mean quality
    over the cost range of the tiers. `apgr`, `cpt_50` and `cpt_80` are over the share of prompts
    that the top tier answers, between the lowest and the top tier (RouteLLM).
    """

    name: str
    source: str
    nhg: tuple[float, float, float]
    ours_ahead: tuple[float, float, float] | None
    best_quality: float
    cost_at_99: float
    qnc: float
    aiq: float
    apgr: float
    cpt_50: float
    cpt_80: float
    curve: tuple[tuple[float, float], ...]


class EvalReport(Frozen, frozen=True):
    """All that `tierchat eval` found."""

    cascade: str
    num_prompts: int
    num_groups: int
    tiers: dict[str, tuple[float, float]]
    lines: tuple[PolicyLine, ...]
    auroc: dict[str, float]
    auroc_helps: dict[str, float]
    ece: dict[str, float]
    at_balanced: dict[str, float]
    families: dict[str, dict[str, float]]
    live: dict[str, float]


def policy_lines(
    matrix: Matrix, ours: Sequence[Walk], others: Sequence[Control]
) -> tuple[PolicyLine, ...]:
    """Measure ours and every control on the same resamples of question groups."""
    shares = matrix.right.mean(0)
    weak, top, best_single = float(shares[0]), float(shares[-1]), float(shares.max())
    single_points = policies.points(policies.singles(matrix))
    low, high = float(single_points[:, 0].min()), float(single_points[:, 0].max())

    def calls(walks: Sequence[Walk]) -> Floats:
        """Give (share the top tier answers, share right), from no call to all."""
        seen = [(float(np.mean(w.tier == len(shares) - 1)), float(w.right.mean())) for w in walks]
        line = metrics.hull(np.array([(0.0, weak), *seen, (1.0, top)]))
        return np.concatenate((line, [(1.0, line[-1, 1])]))

    our_nhg = policies.nhg_of(matrix, ours)

    def line(name: str, source: str, walks: Sequence[Walk], *, is_ours: bool) -> PolicyLine:
        found = policies.points(walks)
        nhg = policies.nhg_of(matrix, walks)
        lead = None
        if not is_ours:
            lead = metrics.bootstrap(
                lambda w: our_nhg(w) - nhg(w), matrix.groups, num=NUM_RESAMPLES
            )
        return PolicyLine(
            name=name,
            source=source,
            nhg=metrics.bootstrap(nhg, matrix.groups, num=NUM_RESAMPLES),
            ours_ahead=lead,
            best_quality=float(found[:, 1].max()),
            cost_at_99=metrics.cost_at(found, 0.99 * top),
            qnc=metrics.cost_at(found, best_single),
            aiq=metrics.aiq(np.concatenate((found, single_points)), low, high),
            apgr=metrics.apgr(calls(walks), weak, top),
            cpt_50=metrics.cpt(calls(walks), weak, top, 0.5),
            cpt_80=metrics.cpt(calls(walks), weak, top, 0.8),
            curve=tuple((float(c), float(q)) for c, q in metrics.hull(found)),
        )

    ours_line = line("tierchat", "rows, decisions A, B, C", ours, is_ours=True)
    return (ours_line, *(line(c.name, c.source, c.walks, is_ours=False) for c in others))


def describe_walk(matrix: Matrix, walk: Walk) -> dict[str, float]:
    """Give the numbers of one setting: what is kept, what is wasted, what it costs."""
    right, at = matrix.right, walk.tier
    index = np.arange(len(at))
    above = [right[i, at[i] + 1 :].any() for i in index]
    cost, quality = walk.point()
    top = max(float(right[:, -1].mean()), 1e-9)
    found = {
        "quality": quality,
        "quality / top": quality / top,
        "cost / top": cost,
        "escalation tax": float(walk.discarded.sum() / walk.tokens.sum()),
        "false keeps": float(np.mean(~walk.right & np.array(above, bool))),
        "wasted escalations": float(np.mean((at > 0) & ~walk.right)),
        "harmful escalations": float(
            np.mean([(not walk.right[i]) and right[i, : at[i]].any() for i in index])
        ),
        "generated tokens a hop": float(walk.hop_generated.sum() / max(walk.num_hops.sum(), 1)),
    }
    for tier, name in enumerate(matrix.tiers):
        found[f"answered by {name}"] = float(np.mean(at == tier))
    return found


def by_family(matrix: Matrix, walk: Walk) -> dict[str, dict[str, float]]:
    """Tabulate every family: tiers alone, this walk, its cost relative to the top tier there."""
    families = np.array(matrix.families)
    costs = matrix.costs()
    table = {}
    for family in sorted(set(matrix.families)):
        chosen = families == family
        line = {
            name: float(matrix.right[chosen, tier].mean()) for tier, name in enumerate(matrix.tiers)
        }
        line["tierchat"] = float(walk.right[chosen].mean())
        line["cost / top"] = float(walk.cost[chosen].sum() / costs[chosen, -1].sum())
        line["prompts"] = float(chosen.sum())
        table[family] = line
    return table


def readers(
    matrix: Matrix, estimates: policies.Estimates
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Give AUROC of "this tier is right", AUROC of "the top is right and this is wrong", ECE."""
    auroc, helps, error = {}, {}, {}
    right = matrix.right
    for (tier, stage), guess in estimates.items():
        p = guess.right
        name = f"{matrix.tiers[tier]} {stage}"
        auroc[name] = metrics.auroc(p[:, 0], right[:, tier])
        error[name] = metrics.ece(p[:, 0], right[:, tier])
        if tier < len(matrix.tiers) - 1:
            helped = right[:, -1] & ~right[:, tier]
            helps[name] = metrics.auroc(p[:, -1] - p[:, 0], helped)
    return auroc, helps, error
