"""A policy as it is judged: its name, its source, its walks and what it expects of the tiers.

Values only; does not know how a policy was fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tierchat.gates.row_gate import RowGates
from tierchat.learning.evaluation.policies import Estimates, Walk, as_used, gated
from tierchat.learning.outcomes.matrix import Floats, Matrix


@dataclass(frozen=True)
class Policy:
    """One policy, walked at every setting that it has.

    `expects` holds by tier what the policy reads or guesses while a prompt is there, shape (n, m):
    scores of that tier being right and, where it has any, of the tiers above, in order. With
    `are_probabilities` these mean what they say, so that their calibration can be judged.
    """

    name: str
    source: str
    walks: tuple[Walk, ...]
    expects: Mapping[int, Floats] = field(default_factory=dict)
    are_probabilities: bool = False


def our_policy(matrix: Matrix, estimates: Estimates, gates: RowGates) -> Policy:
    """Walk as the learned gates would; what they expect is read at the first stage they decide."""
    stage, used = gates.stages[0], as_used(gates, estimates)
    expects = {
        tier: used[tier, stage].right for tier in range(len(matrix.tiers)) if (tier, stage) in used
    }
    if gates.unread:
        # Nobody decides at the top tier: what is expected of it was expected before it was asked.
        top = len(matrix.tiers) - 1
        expects[top] = used[0, "unread"].right[:, top:]
    walks = tuple(gated(matrix, estimates, gates))
    return Policy(
        "tierchat", "letters and rows, decisions 0, A, B, C", walks, expects, are_probabilities=True
    )
