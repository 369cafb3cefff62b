"""Answers in Anthropic's shape: a message, or the events of a stream; and its errors.

Does not know HTTP. Events follow https://docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from tierchat.errors import Overloaded, TierchatError
from tierchat.events import AnswerDelta, Done, ThoughtDelta, ToolCallDelta
from tierchat.outcomes import Outcome
from tierchat.service.answers import ChoiceEvent
from tierchat.service.openai_replies import as_json, facts
from tierchat.service.seen_answer import SeenAnswer

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class MessagesForm:
    """Writes the answer to one request. Owned by that request."""

    def __init__(self, *, shows_thoughts: bool) -> None:
        self._shows_thoughts = shows_thoughts
        self._id = f"msg_{secrets.token_hex(12)}"
        self._seen = SeenAnswer()
        self._has_begun = False
        # The kind of the open block, and how many blocks came before it.
        self._open = ""
        self._num_closed = 0

    def see(self, found: ChoiceEvent) -> None:
        """Take note of an event, perhaps long before its lines are written."""
        self._seen.see(found)

    def lines(self, found: ChoiceEvent) -> list[bytes]:
        """Write the events of a stream for one event."""
        made: list[bytes] = []
        if not self._has_begun:
            self._has_begun = True
            made.append(_line("message_start", message=self._message([], None, _usage(None))))
        match found.event:
            case ThoughtDelta(text=text) if self._shows_thoughts:
                made += self._into(
                    "thinking", {"type": "thinking", "thinking": "", "signature": ""}
                )
                made.append(self._delta({"type": "thinking_delta", "thinking": text}))
            case AnswerDelta(text=text) if text:
                made += self._into("text", {"type": "text", "text": ""})
                made.append(self._delta({"type": "text_delta", "text": text}))
            case ToolCallDelta(id=id_, name=name, arguments=arguments, index=index):
                block = {"type": "tool_use", "id": id_, "name": name, "input": {}}
                made += self._into(f"tool_use {index}", block)
                if arguments:
                    delta = {"type": "input_json_delta", "partial_json": arguments}
                    made.append(self._delta(delta))
            case Done(outcome=outcome):
                made += self._ended(outcome)
            case ThoughtDelta():
                made.append(_line("ping"))
            case _:
                made.append(_line("ping", x_tierchat=found.event))
        return made

    def end(self) -> list[bytes]:
        """Write the event that ends a stream."""
        return [_line("message_stop")]

    def error(self, error: TierchatError) -> bytes:
        """Write the event of an error in a stream that has begun."""
        return b"event: error\ndata: " + as_json(anthropic_error(error)) + b"\n\n"

    def whole(self) -> dict[str, Any]:
        """Write the answer in one piece."""
        outcome = self._seen.outcome
        content: list[dict[str, Any]] = []
        if outcome.thought and self._shows_thoughts:
            content.append({"type": "thinking", "thinking": outcome.thought, "signature": ""})
        if text := _text(outcome):
            content.append({"type": "text", "text": text})
        content += [
            {
                "type": "tool_use",
                "id": call.id,
                "name": call.name,
                "input": msgspec.json.decode(call.arguments),
            }
            for call in outcome.tool_calls
        ]
        message = self._message(content, outcome, _usage(outcome))
        return {**message, "x_tierchat": facts(outcome)}

    def _ended(self, outcome: Outcome) -> list[bytes]:
        made: list[bytes] = []
        if outcome.finish_reason == "unanswered":
            made += self._into("text", {"type": "text", "text": ""})
            made.append(self._delta({"type": "text_delta", "text": _text(outcome)}))
        made += self._closed()
        delta = {"stop_reason": _reason(outcome), "stop_sequence": outcome.stopped_by or None}
        usage = _usage(outcome)
        made.append(_line("message_delta", delta=delta, usage=usage, x_tierchat=facts(outcome)))
        return made

    def _into(self, kind: str, block: dict[str, Any]) -> list[bytes]:
        """Open a block unless it is open; the block before it is closed."""
        if self._open == kind:
            return []
        made = self._closed()
        self._open = kind
        made.append(_line("content_block_start", index=self._num_closed, content_block=block))
        return made

    def _closed(self) -> list[bytes]:
        if not self._open:
            return []
        self._open = ""
        self._num_closed += 1
        return [_line("content_block_stop", index=self._num_closed - 1)]

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _line("content_block_delta", index=self._num_closed, delta=delta)

    def _message(
        self, content: list[dict[str, Any]], outcome: Outcome | None, usage: dict[str, int]
    ) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._seen.model,
            "content": content,
            "stop_reason": _reason(outcome) if outcome else None,
            "stop_sequence": (outcome.stopped_by or None) if outcome else None,
            "usage": usage,
        }


def anthropic_error(error: TierchatError) -> dict[str, Any]:
    """Write an error in Anthropic's shape, with our field and hint beside the message."""
    kind = _ERRORS.get(error.http_status)
    if kind is None:
        kind = "api_error" if error.http_status >= 500 else "invalid_request_error"
    described: dict[str, Any] = {
        "type": kind,
        "message": error.message,
        "param": error.param,
        "hint": error.hint,
    }
    if isinstance(error, Overloaded):
        described["retry_after_s"] = error.retry_after_s
    return {"type": "error", "error": described}


def _line(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), as_json({"type": kind, **fields}))


def _text(outcome: Outcome) -> str:
    return outcome.notices[-1] if outcome.finish_reason == "unanswered" else outcome.answer


def _reason(outcome: Outcome) -> str:
    if outcome.stopped_by:
        return "stop_sequence"
    reasons = {"length": "max_tokens", "tool_calls": "tool_use", "unanswered": "refusal"}
    return reasons.get(outcome.finish_reason, "end_turn")


def _usage(outcome: Outcome | None) -> dict[str, int]:
    """Count tokens; of those of the prompt, what was not read again is told apart."""
    cached = outcome.path[-1].cached_tokens if outcome and outcome.path else 0
    return {
        "input_tokens": outcome.prompt_tokens - cached if outcome else 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": outcome.generated_tokens if outcome else 0,
    }
