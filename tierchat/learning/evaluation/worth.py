"""Whether a learned gate is worth its use: compared with what the cascade does without a lesson.

Does not know files or workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.evaluation.token_policy import TokenLimits, token_gated
from tierchat.learning.evaluation.untaught_policy import untaught
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.workers.protocol import ModelInfo

_NUM_RESAMPLES = 300
# A gain below this cannot be told from the luck of drawing a hull around many points.
_LEAST_GAIN = 0.01


@dataclass(frozen=True)
class Worth:
    """The gain in NHG over the default with its 95 % interval, paired over held-out groups."""

    gain: float
    low: float
    high: float
    cost_at_99: float | None

    @property
    def is_better(self) -> bool:
        return self.low > _LEAST_GAIN

    @property
    def why_not(self) -> str:
        """Say why the gate is not used; empty if it is."""
        if self.is_better:
            return ""
        return (
            f"it is not surely better than no lesson: NHG {self.gain:+.3f} "
            f"[{self.low:+.3f}, {self.high:+.3f}] on held-out prompts"
        )


def worth(matrix: Matrix, ours: Sequence[policies.Walk], infos: Sequence[ModelInfo]) -> Worth:
    """Compare a gate's walks over held-out prompts with the default of these models."""
    return gain_of(matrix, ours, default(matrix, infos))


def gain_of(matrix: Matrix, ours: Sequence[policies.Walk], other: Sequence[policies.Walk]) -> Worth:
    """Compare walks of a gate over held-out prompts with other ones."""
    gated, usual = policies.nhg_of(matrix, ours), policies.nhg_of(matrix, other)

    def gain(weights: Floats) -> float:
        return gated(weights) - usual(weights)

    found, low, high = metrics.bootstrap(gain, matrix.groups, num=_NUM_RESAMPLES)
    top = float(matrix.right[:, -1].mean())
    points = policies.points([*ours, *policies.singles(matrix)])
    cost = metrics.cost_at(points, 0.99 * top)
    return Worth(found, low, high, cost if cost != float("inf") else None)


def default(matrix: Matrix, infos: Sequence[ModelInfo]) -> list[policies.Walk]:
    """Replay what the cascade does untaught: its models' escalate tokens, else the prior."""
    have_tokens = [info.escalate_token is not None for info in infos]
    if len(have_tokens) < len(matrix.tiers) or not all(have_tokens):
        return untaught(matrix)
    return [token_gated(matrix, [TokenLimits.of(info) for info in infos])]
