"""The untaught default, replayed on an outcome matrix: one tier for each prompt, chosen unread.

Does not know how the prior was fitted.
"""

from __future__ import annotations

import numpy as np

from tierchat.gates import letters, prior
from tierchat.learning.evaluation.policies import COST_WEIGHTS, Walk, pick
from tierchat.learning.outcomes.matrix import Matrix


def untaught(matrix: Matrix) -> list[Walk]:
    """Ask the tier that the shipped prior chooses, at every cost weight."""
    found = prior.shipped()
    right = np.array(
        [found.right(letters.text_of(p.messages), matrix.parameters) for p in matrix.prompts]
    )
    costs = np.array(matrix.parameters) / matrix.parameters[-1]
    return [pick(matrix, np.argmax(right - weight * costs, axis=1)) for weight in COST_WEIGHTS]
