"""The numbers of an evaluation: of every policy, of one setting, of each family and of the gates.

Does not know files or terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from tierchat.learning.evaluation import frontiers, metrics, policies
from tierchat.learning.evaluation.frontiers import Frontiers, Interval
from tierchat.learning.evaluation.policies import Walk
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.types import Frozen

NUM_RESAMPLES = 400


class PolicyLine(Frozen, frozen=True):
    """One policy. `nhg`, and `ours_ahead` (our NHG minus this one), are (value, low, high) with a
    95 % interval.

    `cost_at_95` and `cost_at_99` are the least costs that reach 95 and 99 % of the top tier's
    quality, `qnc` the least that reaches the quality of the best single tier, all relative to the
    top tier; infinite if the policy never does. `aiq` is the mean quality over the cost range of
    the tiers. `apgr`, `cpt_50` and `cpt_80` are over the share of prompts that the top tier
    answers, between the lowest and the top tier (RouteLLM, arXiv 2406.18665). `auroc` of "this
    tier is right", `auroc_helps` of "the upper tier is right and the lower is wrong" and `ece` are
    of what the policy expects before it decides, where it expects anything.
    """

    name: str
    source: str
    nhg: Interval
    ours_ahead: Interval | None
    best_quality: float
    cost_at_95: float
    cost_at_99: float
    qnc: float
    aiq: float
    apgr: float
    cpt_50: float
    cpt_80: float
    curve: tuple[tuple[float, float], ...]
    auroc: dict[str, float] = msgspec.field(default_factory=dict)
    auroc_helps: dict[str, float] = msgspec.field(default_factory=dict)
    ece: dict[str, float] = msgspec.field(default_factory=dict)


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
    matrix: Matrix,
    ours: Policy,
    others: Sequence[Policy],
    on_line: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[PolicyLine, ...]:
    """Measure our policy and every control on the same resamples of question groups.

    `on_line` gets the number of measured policies and the number of all.
    """
    weights = frontiers.draw_weights(matrix.groups, NUM_RESAMPLES)
    field = Frontiers(matrix, weights)
    our_nhg = field.nhg(ours.walks)
    lines = list[PolicyLine]()
    for policy in (ours, *others):
        on_line(len(lines), 1 + len(others))
        nhg = our_nhg if policy is ours else field.nhg(policy.walks)
        lead = None if policy is ours else frontiers.interval(our_nhg - nhg)
        lines.append(_line(matrix, policy, frontiers.interval(nhg), lead))
    on_line(len(lines), 1 + len(others))
    return tuple(lines)


def _line(matrix: Matrix, policy: Policy, nhg: Interval, lead: Interval | None) -> PolicyLine:
    shares = matrix.right.mean(0)
    weak, top, best_single = float(shares[0]), float(shares[-1]), float(shares.max())
    single_points = policies.points(policies.singles(matrix))
    low, high = float(single_points[:, 0].min()), float(single_points[:, 0].max())
    points = policies.points(policy.walks)
    seen = [
        (float(np.mean(w.tier == len(shares) - 1)), float(w.right.mean())) for w in policy.walks
    ]
    # (Share that the top tier answers, share right), from no call to all.
    line = metrics.hull(np.array([(0.0, weak), *seen, (1.0, top)]))
    calls = np.concatenate((line, [(1.0, line[-1, 1])]))
    right, helps, error = seen_by(matrix, policy)
    return PolicyLine(
        name=policy.name,
        source=policy.source,
        nhg=nhg,
        ours_ahead=lead,
        best_quality=float(points[:, 1].max()),
        cost_at_95=metrics.cost_at(points, 0.95 * top),
        cost_at_99=metrics.cost_at(points, 0.99 * top),
        qnc=metrics.cost_at(points, best_single),
        aiq=metrics.aiq(np.concatenate((points, single_points)), low, high),
        apgr=metrics.apgr(calls, weak, top),
        cpt_50=metrics.cpt(calls, weak, top, 0.5),
        cpt_80=metrics.cpt(calls, weak, top, 0.8),
        curve=tuple((float(c), float(q)) for c, q in metrics.hull(points)),
        auroc=right,
        auroc_helps=helps,
        ece=error,
    )


def seen_by(
    matrix: Matrix, policy: Policy
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return three measures of what a policy expects: AUROC of "this tier is right" by tier, AUROC
    of "the upper tier is right and the lower is wrong" by pair of tiers, and ECE by tier.

    Empty where it expects nothing; ECE only of probabilities.
    """
    right, helps, error = dict[str, float](), dict[str, float](), dict[str, float]()
    for tier, seen in policy.expects.items():
        name, truth = matrix.tiers[tier], matrix.right[:, tier]
        right[name] = metrics.auroc(seen[:, 0], truth)
        if policy.are_probabilities:
            error[name] = metrics.ece(seen[:, 0], truth)
        for upper in range(tier + 1, len(matrix.tiers)):
            # A policy that expects nothing of upper tiers goes up where it doubts its own.
            step = upper - tier
            gain = (seen[:, step] if step < seen.shape[1] else 0.0) - seen[:, 0]
            helped = matrix.right[:, upper] & ~truth
            helps[f"{name}→{matrix.tiers[upper]}"] = metrics.auroc(gain, helped)
    return right, helps, error


def describe_walk(matrix: Matrix, walk: Walk) -> WalkReport:
    """Measure one setting: what it keeps, what it wastes, what it costs."""
    right, at = matrix.right, walk.tier
    tiers = np.arange(right.shape[1])
    is_right_above = (right & (tiers > at[:, None])).any(1)
    was_right_below = (right & (tiers < at[:, None])).any(1)
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
