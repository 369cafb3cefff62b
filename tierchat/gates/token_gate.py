"""The `token` gate: decides by the escalate token that a model was trained with.

Does not know models, names of tiers or processes.
"""

from __future__ import annotations

from collections.abc import Iterator

from tierchat.gates.order import GateOrder
from tierchat.gates.signals import Reading
from tierchat.types import Stage, Verdict

DEFAULT_ESCALATE_THRESHOLD = 0.5


class TokenGate:
    """Decides A and B by the probability of the escalate token, C by the answer's weakest token.

    `reads_token` False: the model has no such token. The gate cannot choose between higher tiers,
    so its verdicts have no target. Thresholds come from the order, else from the model's metadata;
    without either, 0.5 and no decision C.
    """

    def __init__(
        self,
        order: GateOrder,
        escalate_threshold: float | None = None,
        answer_threshold: float | None = None,
        *,
        reads_token: bool = True,
    ) -> None:
        thresholds = (order.escalate_threshold, escalate_threshold, DEFAULT_ESCALATE_THRESHOLD)
        self._escalate_threshold = next(t for t in thresholds if t is not None)
        self._answer_threshold = (
            answer_threshold if order.answer_threshold is None else order.answer_threshold
        )
        self._order = order
        self.stages = tuple(self._find_stages(reads_token))

    def _find_stages(self, reads_token: bool) -> Iterator[Stage]:
        if not self._order.may_escalate:
            return
        if reads_token:
            yield "prefill"
        if reads_token and self._order.hold_back:
            yield "first"
        if self._order.hold != "first" and self._answer_threshold is not None:
            yield "answer"

    def holds(self, _text: str, num_tokens: int) -> bool:
        """Whether decision B may still reject the answer."""
        return "first" in self.stages and num_tokens < self._order.hold_back

    def read(self, reading: Reading) -> Verdict:
        """Decide at one stage; `estimates` repeats the numbers that were compared."""
        if reading.stage == "answer":
            return self._read_answer(reading)
        probability = reading.now.escalate_probability
        if probability is None:
            return Verdict(escalate=False, reason="no escalate token")
        wants_up = probability > self._escalate_threshold
        return Verdict(
            escalate=wants_up and self._order.may_escalate,
            reason="escalate token" if wants_up else "keeps it",
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
            escalate=doubts and self._order.may_escalate,
            reason="unsure of its answer" if doubts else "keeps it",
            estimates={"answer_min_logprob": weakest, "answer_threshold": threshold},
        )
