"""The numbers of an evaluation: of every policy, of one setting, of each family and of the gates.

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
    """One policy. `nhg`, and `ours_ahead` (our NHG minus this one), are (value, low, high) with a
    95 % interval.

    `cost_at_99` is the least cost that reaches 99 % of the top tier's quality, `qnc` the least
    that reaches the quality of the best single tier, both relative to the top tier; infinite if
    the policy never does. `aiq` is the mean quality
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


class WalkReport(Frozen, frozen=True):
    """One setting of a policy. Costs and qualities "to top" are relative to the top tier alone.

    `escalation_tax` is the share of all tokens that was thrown away. `false_keeps` are wrong
    answers that a higher tier had right, `wasted_escalations` wrong answers of a higher tier,
    `harmful_escalations` those of them that a lower tier had right; all are shares of the prompts,
    as `answered_by` is, by tier.
    """

    quality: float
    quality_to_top: float
    cost_to_top: float
    escalation_tax: float
    false_keeps: float
    wasted_escalations: float
    harmful_escalations: float
    generated_tokens_per_hop: float
    answered_by: dict[str, float]


class FamilyReport(Frozen, frozen=True):
    """Shares of right answers in one family of prompts: of each tier alone, and of the cascade."""

    num_prompts: int
    alone: dict[str, float]
    tierchat: float
    cost_to_top: float


class LiveReport(Frozen, frozen=True):
    """How the real cascade did beside the replay, as shares of the prompts that were sent.

    The last two are seconds until the first piece of a streamed answer: median and 95th percentile.
    """

    num_prompts: int
    same_tier: float
    same_grade: float
    refused: float
    first_piece_p50_s: float
    first_piece_p95_s: float


class EvalReport(Frozen, frozen=True):
    """All that `tierchat eval` found. `tiers` are (cost, share of right answers) of each alone."""

    cascade: str
    num_prompts: int
    num_groups: int
    tiers: dict[str, tuple[float, float]]
    lines: tuple[PolicyLine, ...]
    auroc: dict[str, float]
    auroc_helps: dict[str, float]
    ece: dict[str, float]
    at_balanced: WalkReport
    families: dict[str, FamilyReport]
    live: LiveReport


def policy_lines(
    matrix: Matrix, ours: Sequence[Walk], others: Sequence[Control]
) -> tuple[PolicyLine, ...]:
    """Measure our policy and every control on the same resamples of question groups."""
    shares = matrix.right.mean(0)
    weak, top, best_single = float(shares[0]), float(shares[-1]), float(shares.max())
    single_points = policies.points(policies.singles(matrix))
    low, high = float(single_points[:, 0].min()), float(single_points[:, 0].max())

    def calls(walks: Sequence[Walk]) -> Floats:
        """Return (share that the top tier answers, share right), from no call to all."""
        seen = [(float(np.mean(w.tier == len(shares) - 1)), float(w.right.mean())) for w in walks]
        line = metrics.hull(np.array([(0.0, weak), *seen, (1.0, top)]))
        return np.concatenate((line, [(1.0, line[-1, 1])]))

    our_nhg = policies.nhg_of(matrix, ours)

    def line(name: str, source: str, walks: Sequence[Walk], *, is_ours: bool) -> PolicyLine:
        points = policies.points(walks)
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
            best_quality=float(points[:, 1].max()),
            cost_at_99=metrics.cost_at(points, 0.99 * top),
            qnc=metrics.cost_at(points, best_single),
            aiq=metrics.aiq(np.concatenate((points, single_points)), low, high),
            apgr=metrics.apgr(calls(walks), weak, top),
            cpt_50=metrics.cpt(calls(walks), weak, top, 0.5),
            cpt_80=metrics.cpt(calls(walks), weak, top, 0.8),
            curve=tuple((float(c), float(q)) for c, q in metrics.hull(points)),
        )

    ours_line = line("tierchat", "rows, decisions A, B, C", ours, is_ours=True)
    return (ours_line, *(line(c.name, c.source, c.walks, is_ours=False) for c in others))


def describe_walk(matrix: Matrix, walk: Walk) -> WalkReport:
    """Measure one setting: what it keeps, what it wastes, what it costs."""
    right, at = matrix.right, walk.tier
    index = np.arange(len(at))
    is_right_above = np.array([right[i, at[i] + 1 :].any() for i in index], bool)
    was_right_below = np.array([right[i, : at[i]].any() for i in index], bool)
    cost, quality = walk.point()
    return WalkReport(
        quality=quality,
        quality_to_top=quality / max(float(right[:, -1].mean()), 1e-9),
        cost_to_top=cost,
        escalation_tax=float(walk.discarded.sum() / walk.tokens.sum()),
        false_keeps=float(np.mean(~walk.right & is_right_above)),
        wasted_escalations=float(np.mean((at > 0) & ~walk.right)),
        harmful_escalations=float(np.mean(~walk.right & was_right_below)),
        generated_tokens_per_hop=float(walk.hop_generated.sum() / max(walk.num_hops.sum(), 1)),
        answered_by={
            name: float(walk.answered_by(tier).mean()) for tier, name in enumerate(matrix.tiers)
        },
    )


def by_family(matrix: Matrix, walk: Walk) -> dict[str, FamilyReport]:
    """Measure every family by itself; costs are relative to the top tier's in that family."""
    families = np.array(matrix.families)
    right, top_costs = matrix.right, matrix.costs()[:, -1]
    table = {}
    for family in sorted(set(matrix.families)):
        chosen = families == family
        alone = right[chosen].mean(0)
        table[family] = FamilyReport(
            num_prompts=int(chosen.sum()),
            alone={name: float(alone[tier]) for tier, name in enumerate(matrix.tiers)},
            tierchat=float(walk.right[chosen].mean()),
            cost_to_top=float(walk.cost[chosen].sum() / top_costs[chosen].sum()),
        )
    return table


def readers(
    matrix: Matrix, estimates: policies.Estimates
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return three measures by tier and stage: AUROC of "this tier is right", AUROC of "the top
    tier is right and this tier is wrong", and ECE.
    """
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
