"""Policies replayed on an outcome matrix, and the numbers that describe them.

Does not know models; exact, because decoding is greedy. Intervals are 95 % bootstrap intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tierchat.pocket.measure.outcomes import Cell, TierFacts
from tierchat.pocket.tasks.problems import Problem


@dataclass(frozen=True)
class Replay:
    """One policy on one prompt: answering tier (None: refused), right or not, costs in units."""

    tier: int | None
    is_right: bool
    compute: float
    num_tokens: int
    num_escalation_tokens: int
    num_hops: int
    num_hop_generated: int


def replay(row: Sequence[Cell], tiers: Sequence[TierFacts], first: int, may_check: bool) -> Replay:
    """Walk one prompt up from tier `first`; `may_check` adds decision C on the finished answer."""
    compute, tokens, tax, hops, generated = 0.0, 0, 0, 0, 0
    for index in range(first, len(tiers)):
        tier, cell = tiers[index], row[index]
        wishes_up = cell.escalate_probability > tier.escalate_threshold
        doubts = may_check and not wishes_up and cell.min_logprob < tier.answer_threshold
        written = 0 if wishes_up else cell.num_generated_tokens
        visit = cell.num_prompt_tokens + written
        compute += tier.num_parameters * visit
        tokens += visit
        if not wishes_up and not doubts:
            return Replay(index, cell.is_right, compute, tokens, tax, hops, generated)
        tax += visit
        if index + 1 < len(tiers):
            hops += 1
            generated += written
    return Replay(None, False, compute, tokens, tax, hops, generated)


def weights_of(problems: Sequence[Problem]) -> np.ndarray:
    """Weigh prompts so that families are uniform, then the levels within a family."""
    levels: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for problem in problems:
        levels.setdefault(problem.family, set()).add(problem.level)
        counts[problem.cell] = counts.get(problem.cell, 0) + 1
    raw = [1 / (len(levels) * len(levels[p.family]) * counts[p.cell]) for p in problems]
    return np.array(raw)


def interval(
    statistic: Callable[[np.ndarray], float], weights: np.ndarray, seed: int = 0
) -> list[float]:
    """Give a statistic of the weights with its 95 % bootstrap interval (1,000 resamples)."""
    rng, num = np.random.default_rng(seed), len(weights)
    drawn = [statistic(weights * rng.multinomial(num, np.full(num, 1 / num))) for _ in range(1_000)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return [statistic(weights), float(low), float(high)]


def summary(
    problems: Sequence[Problem], rows: Sequence[Sequence[Cell]], tiers: Sequence[TierFacts]
) -> dict[str, Any]:
    """Compute every number of the mix: tiers alone, the cascade, what escalation cost."""
    weights = weights_of(problems)
    alone = [[replay(row, tiers[: i + 1], i, False) for row in rows] for i in range(len(tiers))]
    walked = [replay(row, tiers, 0, False) for row in rows]
    checked = [replay(row, tiers, 0, True) for row in rows]

    def share(values: list[Any]) -> list[float]:
        array = np.array(values, dtype=float)
        return interval(lambda w: float((w * array).sum() / w.sum()), weights)

    def ratio(top: list[float], bottom: list[float]) -> list[float]:
        a, b = np.array(top, dtype=float), np.array(bottom, dtype=float)
        return interval(lambda w: float((w * a).sum() / max((w * b).sum(), 1e-9)), weights)

    top = alone[-1]
    out: dict[str, Any] = {"num_prompts": len(problems)}
    for index, tier in enumerate(tiers):
        out[f"accuracy {tier.name} alone"] = share([r.is_right for r in alone[index]])
        out[f"compute {tier.name} alone / M alone"] = ratio(
            [r.compute for r in alone[index]], [r.compute for r in top]
        )
        out[f"able {tier.name} (escalation forbidden)"] = share(
            [row[index].is_right for row in rows]
        )
        out[f"false keeps {tier.name}"] = share(
            [
                not row[index].is_right
                and row[index].escalate_probability <= tier.escalate_threshold
                for row in rows
            ]
        )
        out[f"needless escalations {tier.name}"] = share(
            [
                row[index].is_right and row[index].escalate_probability > tier.escalate_threshold
                for row in rows
            ]
        )
    for name, policy in (("cascade", walked), ("cascade with decision C", checked)):
        out[f"accuracy {name}"] = share([r.is_right for r in policy])
        out[f"accuracy {name} / M alone"] = ratio(
            [r.is_right for r in policy], [r.is_right for r in top]
        )
        out[f"compute {name} / M alone"] = ratio(
            [r.compute for r in policy], [r.compute for r in top]
        )
        out[f"escalation tax {name}"] = ratio(
            [r.num_escalation_tokens for r in policy], [r.num_tokens for r in policy]
        )
        out[f"generated tokens per hop {name}"] = ratio(
            [r.num_hop_generated for r in policy], [r.num_hops for r in policy]
        )
        for index, tier in enumerate(tiers):
            out[f"share answered by {tier.name} {name}"] = share([r.tier == index for r in policy])
        out[f"share refused {name}"] = share([r.tier is None for r in policy])
    return out


def per_cell(
    problems: Sequence[Problem], rows: Sequence[Sequence[Cell]], tiers: Sequence[TierFacts]
) -> dict[str, list[float]]:
    """Tabulate per family and level: accuracy of XS, S, M, cascade; share at XS, S, M; compute."""
    groups: dict[str, list[int]] = {}
    for index, problem in enumerate(problems):
        groups.setdefault(problem.cell, []).append(index)
    table = {}
    for cell, members in groups.items():
        walked = [replay(rows[i], tiers, 0, False) for i in members]
        alone = [
            [replay(rows[i], tiers[: t + 1], t, False) for i in members] for t in range(len(tiers))
        ]
        numbers = [float(np.mean([r.is_right for r in column])) for column in (*alone, walked)]
        numbers += [float(np.mean([r.tier == t for r in walked])) for t in range(len(tiers))]
        numbers.append(sum(r.compute for r in walked) / sum(r.compute for r in alone[-1]))
        table[cell] = numbers
    return table


def refusals(
    problems: Sequence[Problem], rows: Sequence[Sequence[Cell]], tiers: Sequence[TierFacts]
) -> dict[str, list[float]]:
    """Give the share of prompts every single tier refuses, all and per category."""
    refused = np.array(
        [
            [c.escalate_probability > t.escalate_threshold for c, t in zip(row, tiers, strict=True)]
            for row in rows
        ]
    )
    table = {"all": [*refused.mean(0), refused.all(1).mean()]}
    for level in sorted({p.level for p in problems}):
        chosen = np.array([p.level == level for p in problems])
        table[level] = [*refused[chosen].mean(0), refused[chosen].all(1).mean()]
    return {name: [float(x) for x in row] for name, row in table.items()}
