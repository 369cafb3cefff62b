"""Answers to a chat completion: whole, or as the chunks of a stream, for one choice or several.

Does not know HTTP; the shapes of single objects are those of `openai_replies.py`.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from tierchat.errors import TierchatError
from tierchat.events import AnswerDelta, Done
from tierchat.outcomes import Outcome, ScoredToken
from tierchat.service.answers import Asked, ChoiceEvent
from tierchat.service.openai_format import read_request
from tierchat.service.openai_replies import (
    as_json,
    chunk,
    completion,
    error_body,
    first_chunk,
    usage_chunk,
)
from tierchat.service.replies import Ask


class ChatForm:
    """Writes the answers to one request. Owned by that request."""

    def __init__(self, *, includes_usage: bool = False, has_logprobs: bool = False) -> None:
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._includes_usage, self._has_logprobs = includes_usage, has_logprobs
        self._model: str | None = None
        self._begun: set[int] = set()
        self._logprobs: dict[int, list[ScoredToken]] = {}
        self._outcomes: dict[int, Outcome] = {}

    def see(self, found: ChoiceEvent) -> None:
        """Take note of an event, perhaps long before its lines are written."""
        event = found.event
        if isinstance(event, AnswerDelta):
            self._model = self._model or event.model
            self._logprobs.setdefault(found.index, []).extend(event.logprobs)
        elif isinstance(event, Done):
            self._model = self._model or event.outcome.model
            self._outcomes[found.index] = event.outcome

    def lines(self, found: ChoiceEvent) -> list[bytes]:
        """Write the lines of a stream for one event."""
        made = []
        if found.index not in self._begun:
            self._begun.add(found.index)
            made.append(first_chunk(self._id, self._created, self._model, found.index))
        has_own_usage = not self._includes_usage
        event = chunk(
            self._id, self._created, found.event, self._model, found.index, has_usage=has_own_usage
        )
        made.append(event)
        if self._includes_usage:
            made = [{**each, "usage": None} for each in made]
        return [event_line(each) for each in made]

    def end(self) -> list[bytes]:
        """Write the lines that end a stream."""
        last = b"data: [DONE]\n\n"
        if not self._includes_usage:
            return [last]
        usage = usage_chunk(self._id, self._created, self._model, self._in_order())
        return [event_line(usage), last]

    def error(self, error: TierchatError) -> bytes:
        """Write the line of an error in a stream that has begun."""
        return event_line(error_body(error))

    def whole(self) -> dict[str, Any]:
        """Write all answers in one piece."""
        logprobs = [self._logprobs.get(index, []) for index in sorted(self._outcomes)]
        shown = logprobs if self._has_logprobs else None
        return completion(self._id, self._created, *self._in_order(), logprobs=shown)

    def _in_order(self) -> list[Outcome]:
        return [self._outcomes[index] for index in sorted(self._outcomes)]


def event_line(value: Any) -> bytes:
    """Write one server-sent event."""
    return b"data: " + as_json(value) + b"\n\n"


def chat_ask(body: bytes, client: str) -> Ask:
    """Read a request for a chat completion; raises InvalidRequest naming the field."""
    chat = read_request(body)
    form = ChatForm(
        includes_usage=chat.includes_usage, has_logprobs=chat.prompt.logprobs is not None
    )
    asked = Asked(chat.prompts(), chat.user or client, chat.notices, is_same=True)
    return Ask(asked, form, chat.is_stream)
