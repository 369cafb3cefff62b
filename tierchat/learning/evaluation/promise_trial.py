"""Is a promised quality kept? Tried on fresh draws of the prompts that fix it and that judge it.

Does not know files or terminals; the rows are fitted once, on other prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierchat.gates.files import cheapest_keeping
from tierchat.learning.evaluation.policies import Walk
from tierchat.learning.evaluation.promise import tradeoffs
from tierchat.learning.outcomes.matrix import Matrix

NUM_RESAMPLES = 200


@dataclass(frozen=True)
class PromiseLine:
    """How one promised quality fared over the resamples; `cost` is relative to the top tier.

    `below` is the share of resamples whose judging prompts kept less than was promised, `by_top`
    the share in which nothing cheaper than the top tier could be promised. `kept` and `cost` are
    means.
    """

    quality: float
    below: float
    by_top: float
    kept: float
    cost: float


def try_promises(
    matrix: Matrix,
    walks: Sequence[Walk],
    qualities: Sequence[float],
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> list[PromiseLine]:
    """Split the question groups in halves again and again: one fixes a weight, one judges it.

    `walks` are those of `PROMISE_WEIGHTS` on the whole matrix, by rows fitted on none of it.
    """
    rng = np.random.default_rng(seed)
    names, group_of = np.unique(np.asarray(matrix.groups), return_inverse=True)
    top = matrix.right[:, -1]
    found: dict[float, list[tuple[float, float, bool]]] = {q: [] for q in qualities}
    for _ in range(num_resamples):
        is_first = rng.permutation(len(names)) < len(names) // 2
        fixes = np.flatnonzero(is_first[group_of])
        judges = np.flatnonzero(~is_first[group_of])
        own = [part(walk, fixes) for walk in walks]
        settings = tradeoffs(matrix.take(fixes), own)
        for quality in qualities:
            setting = cheapest_keeping(settings, quality)
            if setting is None:
                found[quality].append((1.0, 1.0, True))
                continue
            walk = walks[settings.index(setting)]
            kept = walk.right[judges].sum() / max(top[judges].sum(), 1)
            found[quality].append((float(kept), float(walk.cost[judges].mean()), False))
    return [_line(quality, results) for quality, results in found.items()]


def part(walk: Walk, chosen: npt.NDArray[np.intp]) -> Walk:
    """Return how a policy went on some of the prompts."""
    return Walk(**{name: values[chosen] for name, values in vars(walk).items()})


def _line(quality: float, results: Sequence[tuple[float, float, bool]]) -> PromiseLine:
    kept, cost, by_top = (np.array(column, float) for column in zip(*results, strict=True))
    return PromiseLine(
        quality=quality,
        below=float(np.mean(kept < quality - 1e-9)),
        by_top=float(by_top.mean()),
        kept=float(kept.mean()),
        cost=float(cost.mean()),
    )
