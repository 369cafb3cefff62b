"""The tables of an evaluation: what the models' own escalate tokens make of an outcome matrix.

Does not know models. Intervals are 95 % bootstrap intervals over prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tierchat.learning.evaluation import metrics
from tierchat.learning.evaluation.policies import Walk
from tierchat.learning.evaluation.token_policy import (
    TokenLimits,
    token_alone,
    token_gated,
    wishes,
)
from tierchat.learning.outcomes.matrix import Floats, Matrix

# A number with the ends of its interval.
Interval = tuple[float, float, float]
Limits = Sequence[TokenLimits]


def weights_of(families: Sequence[str]) -> Floats:
    """Weigh prompts of "family/level" so that families are uniform, then the levels of a family."""
    levels: dict[str, set[str]] = {}
    for name in families:
        levels.setdefault(_family(name), set()).add(name)
    counts = {name: families.count(name) for name in set(families)}
    raw = [1 / (len(levels) * len(levels[_family(name)]) * counts[name]) for name in families]
    return np.array(raw)


def _family(name: str) -> str:
    return name.partition("/")[0]


def summary(matrix: Matrix, limits: Limits) -> dict[str, int | Interval]:
    """Compute every number of the mix: tiers alone, the cascade, what escalation costs."""
    found: dict[str, int | Interval] = {"num_prompts": len(matrix.rows)}
    found.update(_of_tiers(_Weighted(matrix), matrix, limits))
    for name, reads_answer in (("cascade", False), ("cascade with decision C", True)):
        walk = token_gated(matrix, limits, reads_answer=reads_answer)
        found.update(_of_cascade(_Weighted(matrix), matrix, walk, token_top(matrix, limits), name))
    return found


def token_top(matrix: Matrix, limits: Limits) -> Walk:
    """Ask the top tier alone, which may refuse."""
    return token_alone(matrix, limits, len(matrix.tiers) - 1)


class _Weighted:
    """Weighted shares and ratios of numbers a prompt, each with its interval."""

    def __init__(self, matrix: Matrix) -> None:
        self._weights = weights_of(matrix.families)
        self._groups = matrix.groups

    def share(self, values: npt.ArrayLike) -> Interval:
        array = np.asarray(values, float)
        return self._interval(lambda w: float((w * array).sum() / w.sum()))

    def ratio(self, above: npt.ArrayLike, below: npt.ArrayLike) -> Interval:
        a, b = np.asarray(above, float), np.asarray(below, float)
        return self._interval(lambda w: float((w * a).sum() / max((w * b).sum(), 1e-9)))

    def _interval(self, statistic: Callable[[Floats], float]) -> Interval:
        return metrics.bootstrap(lambda counts: statistic(counts * self._weights), self._groups)


def _of_tiers(
    weighted: _Weighted, matrix: Matrix, limits: Limits
) -> Iterator[tuple[str, Interval]]:
    right, wishes_up, top = matrix.right, wishes(matrix, limits), token_top(matrix, limits)
    for tier, name in enumerate(matrix.tiers):
        walk = token_alone(matrix, limits, tier)
        able, wish = right[:, tier], wishes_up[:, tier]
        yield f"accuracy {name} alone", weighted.share(walk.right)
        yield f"compute {name} alone / M alone", weighted.ratio(walk.cost, top.cost)
        yield f"able {name} (escalation forbidden)", weighted.share(able)
        yield f"false keeps {name}", weighted.share(~able & ~wish)
        yield f"needless escalations {name}", weighted.share(able & wish)


def _of_cascade(
    weighted: _Weighted, matrix: Matrix, walk: Walk, top: Walk, name: str
) -> Iterator[tuple[str, Interval]]:
    yield f"accuracy {name}", weighted.share(walk.right)
    yield f"accuracy {name} / M alone", weighted.ratio(walk.right, top.right)
    yield f"compute {name} / M alone", weighted.ratio(walk.cost, top.cost)
    yield f"escalation tax {name}", weighted.ratio(walk.discarded, walk.tokens)
    yield f"generated tokens per hop {name}", weighted.ratio(walk.hop_generated, walk.num_hops)
    for tier, tier_name in enumerate(matrix.tiers):
        yield f"share answered by {tier_name} {name}", weighted.share(walk.answered_by(tier))
    yield f"share refused {name}", weighted.share(walk.refused)


def per_family(matrix: Matrix, limits: Limits) -> dict[str, list[float]]:
    """Tabulate each family and level: accuracy of XS, S, M, cascade; share at XS, S, M; compute."""
    walk, top = token_gated(matrix, limits), token_top(matrix, limits)
    alone = [token_alone(matrix, limits, tier) for tier in range(len(matrix.tiers))]
    columns = [each.right for each in (*alone, walk)]
    columns += [walk.answered_by(tier) for tier in range(len(matrix.tiers))]
    table = {}
    for family in dict.fromkeys(matrix.families):
        chosen = np.array(matrix.families) == family
        numbers = [float(column[chosen].mean()) for column in columns]
        numbers.append(float(walk.cost[chosen].sum() / top.cost[chosen].sum()))
        table[family] = numbers
    return table


def refusals(matrix: Matrix, limits: Limits) -> dict[str, list[float]]:
    """Give the share of prompts each tier refuses, then all of them, overall and by category."""
    refused = wishes(matrix, limits)
    table = {"all": refused}
    for family in sorted(set(matrix.families)):
        category = family.partition("/")[2]
        table[category] = refused[np.array(matrix.families) == family]
    return {
        name: [float(share) for share in (*part.mean(0), part.all(1).mean())]
        for name, part in table.items()
    }
