"""Which share of the top tier's right answers a cost weight is sure to keep.

Does not know gates, files or how a policy decides: it reads who was right on held-out prompts.

The promise is one of risk control (Angelopoulos et al., conformal risk control, arXiv 2208.02814).
That paper bounds the mean over all lessons; a user has one lesson, so that the bound here holds for
the lesson itself with `CONFIDENCE` (Bates et al., arXiv 2101.02703; Angelopoulos et al., Learn then
Test, arXiv 2110.01052). The cost weights are tested from the safest on, each at the full level,
until one fails: such a fixed sequence needs no correction for the number of tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierchat.gates.files import Tradeoff
from tierchat.learning.evaluation.policies import COST_WEIGHTS, Walk
from tierchat.learning.outcomes.matrix import Floats, Matrix

CONFIDENCE = 0.95
# Negative weights favour the higher tiers beyond what the rows expect of them. They lead from
# asking the top tier whatever the rows say to weight 0, and on to the lowest cost.
PROMISE_WEIGHTS = (*-np.geomspace(30.0, 1e-2, 24), *COST_WEIGHTS)
_NUM_BETS = 40
_NUM_HALVINGS = 12


def tradeoffs(matrix: Matrix, walks: Sequence[Walk]) -> tuple[Tradeoff, ...]:
    """Measure the walks of `PROMISE_WEIGHTS`, and what each is sure to keep."""
    top = max(float(matrix.right[:, -1].mean()), 1e-9)
    return tuple(
        Tradeoff(
            cost_weight=float(weight),
            quality=walk.point()[1] / top,
            cost=walk.point()[0],
            promised=promised,
        )
        for weight, walk, promised in zip(
            PROMISE_WEIGHTS, walks, promises(matrix, walks), strict=True
        )
    )


def promises(matrix: Matrix, walks: Sequence[Walk]) -> list[float]:
    """Return for each walk, safest first, the largest share that it and all before it keep.

    The share is that of the top tier's right answers, 0 where nothing is sure. Whole question
    groups count as one observation each.
    """
    _, group_of = np.unique(np.asarray(matrix.groups), return_inverse=True)
    top = np.bincount(group_of, weights=matrix.right[:, -1]).astype(float)
    largest = float(np.bincount(group_of).max())
    found, most = [], 1.0
    for walk in walks:
        ours = np.bincount(group_of, weights=walk.right).astype(float)
        most = _Seen.of(ours, top, largest).largest_share(most)
        found.append(most)
    return found


def is_kept(ours: Floats, top: Floats, share: float, largest: float = 1.0) -> bool:
    """Return whether E[ours] >= share * E[top] is sure, from the right answers of each group.

    `largest` is the most prompts of one group.
    """
    return _Seen.of(ours, top, largest).is_kept(share)


@dataclass(frozen=True)
class _Seen:
    """Distinct pairs of right answers in one group, by a policy and by the top tier, counted.

    They are in units of the largest group, so that each is at most 1.
    """

    ours: Floats
    top: Floats
    counts: Floats

    @classmethod
    def of(cls, ours: Floats, top: Floats, largest: float) -> _Seen:
        base = largest + 1
        pairs, counts = np.unique(ours * base + top, return_counts=True)
        return cls(pairs // base / largest, pairs % base / largest, counts.astype(float))

    def largest_share(self, below: float) -> float:
        """Halve the range of shares up to `below` until the largest that is kept is found."""
        if self.is_kept(below):
            return below
        kept, lost = 0.0, below
        for _ in range(_NUM_HALVINGS):
            middle = (kept + lost) / 2
            kept, lost = (middle, lost) if self.is_kept(middle) else (kept, middle)
        return kept

    def is_kept(self, share: float) -> bool:
        """Test by betting that the share is not kept (Waudby-Smith and Ramdas, arXiv 2010.09686).

        If that were so, a bet would multiply a stake by at most 1 on average, whatever the
        distribution. So a stake of 1 exceeds 1 / (1 - CONFIDENCE) with a probability of at most
        1 - CONFIDENCE. The stake is spread over bets of several sizes, so that neither the size
        nor the order of the prompts has to be chosen.
        """
        if share <= 0:
            return True
        bets = np.linspace(0.0, 1.0 / share, _NUM_BETS + 2)[1:-1]
        growth = np.log1p(-np.outer(bets, share * self.top - self.ours)) @ self.counts
        most = float(growth.max())
        stake = most + float(np.log(np.exp(growth - most).mean()))
        return stake >= -math.log1p(-CONFIDENCE)
