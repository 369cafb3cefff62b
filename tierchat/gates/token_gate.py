"""The `token` gate: decides by the model's own escalate token, or by the marker it was told.

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

    With a `marker`, with which an unsure model was told to begin, A reads the probability of its
    first token and B whether the answer begins with it. `reads_token` False: the model has
    neither. The gate cannot choose between higher tiers, so its verdicts have no target.
    Thresholds come from the order, else from the model's metadata; without either, 0.5 and no
    decision C.
    """

    def __init__(
        self,
        order: GateOrder,
        escalate_threshold: float | None = None,
        answer_threshold: float | None = None,
        *,
        marker: str = "",
        reads_token: bool = True,
    ) -> None:
        thresholds = (order.escalate_threshold, escalate_threshold, DEFAULT_ESCALATE_THRESHOLD)
        self._escalate_threshold = next(t for t in thresholds if t is not None)
        self._answer_threshold = (
            answer_threshold if order.answer_threshold is None else order.answer_threshold
        )
        self._order = order
        self._marker = marker
        self._reason = "says it is unsure" if marker else "escalate token"
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

    def holds(self, text: str, num_tokens: int) -> bool:
        """Whether decision B may still reject an answer that begins with `text`."""
        if "first" not in self.stages:
            return False
        if not self._marker:
            return num_tokens < self._order.hold_back
        begun = text.lstrip()
        return self._marker.startswith(begun) or begun.startswith(self._marker)

    def read(self, reading: Reading) -> Verdict:
        """Decide at one stage; `estimates` repeats the numbers that were compared."""
        if reading.stage == "answer":
            return self._read_answer(reading)
        if self._marker and reading.stage == "first":
            # The first token of the marker may begin any word: the text itself tells.
            is_unsure = reading.text.lstrip().startswith(self._marker)
            may = self._order.may_escalate
            return Verdict(
                escalate=is_unsure and may, reason=self._reason if is_unsure else "keeps it"
            )
        probability = reading.now.escalate_probability
        if probability is None:
            return Verdict(escalate=False, reason="no escalate token")
        wants_up = probability > self._escalate_threshold
        return Verdict(
            escalate=wants_up and self._order.may_escalate,
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
            escalate=doubts and self._order.may_escalate,
            reason="unsure of its answer" if doubts else "keeps it",
            estimates={"answer_min_logprob": weakest, "answer_threshold": threshold},
        )
