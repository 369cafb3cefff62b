"""Whether the gate in use is better than a new one: both on prompts that neither learned from.

Does not know lessons or where gates are kept.
"""

from __future__ import annotations

from pathlib import Path

from tierchat.gates.files import GateFileBad, load, read_head
from tierchat.gates.row_gate import RowGates
from tierchat.learning.evaluation import policies
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.training.fit import predict
from tierchat.learning.training.teaching import Taught

# Fewer prompts cannot tell two gates apart, nor may a smaller difference.
_LEAST_PROMPTS, _LEAST_GAIN = 20, 0.02


def why_not_better(path: Path, taught: Taught) -> str:
    """Return why a new gate should not take the place of the one at `path`; empty if it should."""
    try:
        head, gates = read_head(path), load(path)
    except GateFileBad:
        return ""
    matrix, known = taught.held_out, set(head.learned)
    fresh = [i for i, group in enumerate(matrix.groups) if group not in known]
    if gates.tiers != matrix.tiers or len(fresh) < _LEAST_PROMPTS:
        return ""
    part = matrix.take(fresh)
    features = part.take([0]).features(0, "prefill", has_token=gates.has_token)
    if gates.heads[0, "prefill"].mean.shape != features[0].shape:
        # It was taught for another model.
        return ""
    old, new = _nhg(gates, part), _nhg(taught.fit.gates, part)
    if old < new + _LEAST_GAIN:
        return ""
    return (
        f"the gate in use is better on the same {len(fresh)} held-out prompts: "
        f"NHG {old:.3f}, the new one {new:.3f}"
    )


def _nhg(gates: RowGates, matrix: Matrix) -> float:
    return policies.nhg(matrix, policies.gated(matrix, predict(gates, matrix), gates))[0]
