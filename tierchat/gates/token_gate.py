"""The `token` gate: decides by the model's own escalate token, or by the marker it was told.

Does not know models, names of tiers or processes.
"""

from __future__ import annotations

from tierchat.gates.order import GateOrder
from tierchat.gates.signals import Reading
from tierchat.types import Verdict

DEFAULT_ESCALATE_THRESHOLD = 0.5


class TokenGate:
    """Decides A and B by the probability of the escalate token, C by the answer's weakest token.

    `is_commanded`: the probability is that of the marker with which an unsure model was told to
    begin. The gate cannot choose between higher tiers, so its verdicts have no target. Thresholds
    come from the order, else from the model's metadata; without either, 0.5 and no decision C.
    """

    def __init__(
        self,
        order: GateOrder,
        escalate_threshold: float | None = None,
        answer_threshold: float | None = None,
        *,
        is_commanded: bool = False,
    ) -> None:
        thresholds = (order.escalate_threshold, escalate_threshold, DEFAULT_ESCALATE_THRESHOLD)
        self._escalate_threshold = next(t for t in thresholds if t is not None)
        self._answer_threshold = (
            answer_threshold if order.answer_threshold is None else order.answer_threshold
        )
        self._may_escalate = order.may_escalate
        self._is_commanded = is_commanded
        self._reason = "says it is unsure" if is_commanded else "escalate token"

    def read(self, reading: Reading) -> Verdict:
        """Decide at one stage; `estimates` repeats the numbers that were compared."""
        if reading.stage == "answer":
            return self._read_answer(reading)
        probability = reading.now.escalate_probability
        if self._is_commanded and reading.stage == "first":
            # After the first token of an answer, the first token of the marker may begin any word.
            return Verdict(escalate=False, reason="keeps it")
        if probability is None:
            return Verdict(escalate=False, reason="no escalate token")
        wants_up = probability > self._escalate_threshold
        return Verdict(
            escalate=wants_up and self._may_escalate,
            reason=self._reason if wants_up else "keeps it",
            estimates={
                "escalate_probability": probability,
                "escalate_threshold": self._escalate_threshold,
            },
        )

    def _read_answer(self, reading: Reading) -> Verdict:
        weakest = min(reading.answer_logprobs, default=None)
        threshold = self._answer_threshold
        if weakest is None or threshold is None:
            return Verdict(escalate=False, reason="no threshold for a finished answer")
        doubts = weakest < threshold
        return Verdict(
            escalate=doubts and self._may_escalate,
            reason="unsure of its answer" if doubts else "keeps it",
            estimates={"answer_min_logprob": weakest, "answer_threshold": threshold},
        )
