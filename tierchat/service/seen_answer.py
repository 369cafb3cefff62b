"""What was seen so far of the one answer to a request: its model, and its outcome in the end.

Does not know in which shape an answer is written.
"""

from __future__ import annotations

from tierchat.events import AnswerDelta, Done
from tierchat.outcomes import Outcome
from tierchat.service.answers import ChoiceEvent
from tierchat.service.openai_format import ANY_MODEL


class SeenAnswer:
    """Takes note of the events of one answer. Owned by the form that writes it."""

    def __init__(self) -> None:
        self._model: str | None = None
        self._outcome: Outcome | None = None

    def see(self, found: ChoiceEvent) -> None:
        """Take note of an event, perhaps long before its lines are written."""
        if isinstance(found.event, AnswerDelta):
            self._model = self._model or found.event.model
        elif isinstance(found.event, Done):
            self._outcome = found.event.outcome
            self._model = self._model or found.event.outcome.model

    @property
    def model(self) -> str:
        """The model that answers; before any has shown itself, the name that asks for any."""
        return self._model or ANY_MODEL

    @property
    def outcome(self) -> Outcome:
        """The outcome of the finished answer."""
        assert self._outcome is not None
        return self._outcome
