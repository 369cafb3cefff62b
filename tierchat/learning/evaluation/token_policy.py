"""The models' own escalate tokens as a policy: decisions A and C of the token gate, replayed.

Does not know learned gates. A tier whose escalate probability is above its threshold at the
prompt's end gives the prompt up before it generates anything, the top tier included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierchat.gates.token_gate import DEFAULT_ESCALATE_THRESHOLD
from tierchat.learning.evaluation.policies import Bools, Walk, follow
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.workers.protocol import ModelInfo


@dataclass(frozen=True)
class TokenLimits:
    """The thresholds of one tier's token gate; without `answer` decision C never escalates."""

    escalate: float = DEFAULT_ESCALATE_THRESHOLD
    answer: float | None = None

    @classmethod
    def of(cls, info: ModelInfo) -> TokenLimits:
        """Take the thresholds that a model's file carries."""
        escalate = info.escalate_threshold
        return cls(
            DEFAULT_ESCALATE_THRESHOLD if escalate is None else escalate, info.answer_threshold
        )


def wishes(matrix: Matrix, limits: Sequence[TokenLimits]) -> Bools:
    """Return where a tier would escalate at the prompt's end, shape (n, k)."""
    wanted: Bools = matrix.escalate_probabilities > [limit.escalate for limit in limits]
    return wanted


def token_gated(
    matrix: Matrix, limits: Sequence[TokenLimits], *, reads_answer: bool = False
) -> Walk:
    """Send every prompt up one tier at a time; `reads_answer` adds decision C."""
    wishes_up = leaves = wishes(matrix, limits)
    if reads_answer:
        floors = [-np.inf if limit.answer is None else limit.answer for limit in limits]
        leaves = wishes_up | (matrix.answer_min_logprobs < floors)
    written = np.where(wishes_up, 0.0, matrix.generated_tokens)
    return follow(matrix, leaves.astype(np.intp), written)


def token_alone(matrix: Matrix, limits: Sequence[TokenLimits], tier: int) -> Walk:
    """Ask one tier only; a prompt that it gives up is refused."""
    wishes_up = wishes(matrix, limits)
    written = np.where(wishes_up, 0.0, matrix.generated_tokens)
    beyond_top = len(matrix.tiers) * wishes_up.astype(np.intp)
    return follow(matrix, beyond_top, written, first=tier)
