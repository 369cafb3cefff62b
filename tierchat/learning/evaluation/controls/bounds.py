"""The floor and the ceilings of a comparison: single tiers, chance, and oracles.

Nothing is learned here. Pure functions over a matrix.
"""

from __future__ import annotations

import numpy as np

from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.evaluation.policies import COST_WEIGHTS, Walk, alone, oracle, pick, singles
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.outcomes.matrix import Matrix


def tiers_alone(matrix: Matrix) -> list[Policy]:
    """Ask each tier alone."""
    return [
        Policy(f"{name} alone", "single tier", (walk,))
        for name, walk in zip(matrix.tiers, singles(matrix), strict=True)
    ]


def at_random(study: Study, seed: int = 0) -> Policy:
    """Mix neighbouring tiers by chance."""
    matrix = study.judged
    drawn = np.random.default_rng(seed).random(len(matrix.rows))
    walks = [alone(matrix, tier) for tier in range(len(matrix.tiers))]
    for tier in range(1, len(matrix.tiers)):
        for share in np.linspace(0.05, 0.95, 10):
            walks.append(pick(matrix, np.where(drawn < share, tier, tier - 1)))
    return Policy("random at equal rate", "the hull of single tiers", tuple(walks))


def perfect(study: Study) -> Policy:
    """Ask the cheapest tier that is right."""
    return Policy("oracle", "knows who is right", tuple(oracle(study.judged)))


def perfect_by_family(study: Study) -> Policy:
    """Choose one tier for each family, knowing how often each tier is right in that family.

    The ceiling of everything that only recognises the kind of a prompt.
    """
    matrix = study.judged
    walks = tuple(_by_family(matrix, weight) for weight in COST_WEIGHTS)
    return Policy("oracle of families", "knows each family's mean", walks)


def _by_family(matrix: Matrix, weight: float) -> Walk:
    families, costs, right = np.array(matrix.families), matrix.costs(), matrix.right
    chosen = np.zeros(len(families), np.intp)
    for family in np.unique(families):
        here = families == family
        value = right[here].mean(0) - max(weight, 1e-9) * costs[here].mean(0)
        chosen[here] = int(np.argmax(value))
    return pick(matrix, chosen)
