"""Whether the answer of one request fits its schema and the form that its prompt asks for.

Does not know tiers above, gates or how an answer is written.
"""

from __future__ import annotations

from tierchat.gates.answer_schema import AnswerSchema
from tierchat.gates.verification.asked import form_of
from tierchat.gates.verification.copying import may_be_copy
from tierchat.gates.verification.fitness import why_unfit
from tierchat.gates.verification.form import MAX_HELD_TOKENS, Form
from tierchat.types import Hold
from tierchat.workers.protocol import Generate


class AnswerCheck:
    """Judges what one request writes. `may_be_cut`: the caller's own texts may end the answer."""

    def __init__(self, order: Generate, schema: AnswerSchema | None = None) -> None:
        self._schema = schema
        # A text that is continued as it is has no form, a lesson wants every answer, and a tier
        # without a gate keeps what it wrote.
        is_free = not (order.is_raw or order.probe or order.sampling.ignore_eos)
        has_form = is_free and schema is None and order.gate.kind != "none"
        self._form = form_of(order.messages) if has_form else Form()
        self.may_be_cut = bool(order.sampling.stop)

    def misfit(self, answer: str) -> str:
        """Say why a whole answer does not fit its schema; empty if it fits or has none."""
        return (self._schema.problem(answer) or "") if self._schema else ""

    def unfit(self, answer: str, *, is_whole: bool) -> str:
        """Say why an answer is not of the form that was asked for; empty if it is."""
        return why_unfit(self._form, answer, is_whole=is_whole)

    def holds(self, hold: Hold, answer: str, num_tokens: int) -> bool:
        """Whether an answer is kept back, while a tier is above, until its form can be judged.

        Where it is shown as it grows, this is so for short forms, and for what may be a copy of a
        text that was given.
        """
        if hold != "first":
            return bool(self._form) or self._schema is not None
        texts = filter(None, (self._form.given, self._form.rules))
        is_copy = any(may_be_copy(answer, text) for text in texts)
        return (self._form.is_short or is_copy) and num_tokens < MAX_HELD_TOKENS
