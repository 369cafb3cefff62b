"""The untaught default, replayed on an outcome matrix: one tier for each prompt, chosen unread.

Does not know how the prior was fitted.
"""

from __future__ import annotations

import numpy as np

from tierchat.gates import letters, prior
from tierchat.learning.evaluation.policies import COST_WEIGHTS, Walk, pick
from tierchat.learning.outcomes.matrix import Floats, Matrix


def untaught(matrix: Matrix) -> list[Walk]:
    """Ask the tier that the shipped prior chooses, at every cost weight."""
    found = prior.shipped()
    right, costs = [], []
    for prompt, num_tokens in zip(matrix.prompts, guessed_tokens(matrix), strict=True):
        counts = letters.buckets(letters.text_of(prompt.messages))
        right.append(found.right(counts, matrix.parameters))
        costs.append(found.costs(counts, num_tokens, matrix.parameters))
    return walks(matrix, np.array(right), np.array(costs))


def walks(matrix: Matrix, right: Floats, costs: Floats) -> list[Walk]:
    """Ask one tier for each prompt, unread, at every cost weight; shapes are (n, k)."""
    return [pick(matrix, np.argmax(right - weight * costs, axis=1)) for weight in COST_WEIGHTS]


def guessed_tokens(matrix: Matrix) -> Floats:
    """Guess the tokens of every prompt, as the daemon does before a tier has read it."""
    found = (letters.num_bytes(prompt.messages) for prompt in matrix.prompts)
    return np.array([letters.guessed_tokens(num) for num in found])
