"""Whether a gate still knows what it is asked: its estimates against what came of them.

Pure numbers; does not know where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierchat.learning.evaluation.policies import Bools, Estimates, Walk
from tierchat.learning.outcomes.matrix import Floats

# So seldom would a gate whose estimates are right be called wrong.
_MOST_CHANCE = 0.01


@dataclass(frozen=True)
class Drift:
    """How many of `num` judged answers were right, how many were expected, and how likely so few
    or fewer are if the estimates are right.
    """

    num: int
    num_right: int
    expected: float
    chance: float

    @property
    def is_certain(self) -> bool:
        return self.chance < _MOST_CHANCE

    def __str__(self) -> str:
        return (
            f"since it was taught {self.num_right} of {self.num} judged answers were right, where "
            f"it expected {self.expected:.1f}"
        )


def drift(expected: Floats, right: Bools) -> Drift:
    """Compare estimates with what came of them; all arrays have shape (n,)."""
    num_right = int(right.sum())
    chance = float(_distribution(expected)[: num_right + 1].sum())
    return Drift(len(right), num_right, float(expected.sum()), chance)


def expected_of(walk: Walk, estimates: Estimates) -> Floats:
    """Return the chance that each prompt's last tier gave itself before it answered."""
    rows = enumerate(walk.tier)
    return np.array([estimates[int(tier), "prefill"].right[row, 0] for row, tier in rows])


def _distribution(chances: Floats) -> Floats:
    """Return the probabilities of 0 to n successes of n different chances (Poisson binomial)."""
    found = np.ones(1)
    for chance in chances:
        found = np.append(found * (1 - chance), 0.0) + np.append(0.0, found * chance)
    return found
