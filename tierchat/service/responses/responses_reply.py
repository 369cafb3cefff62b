"""Answers in the shape of OpenAI's Responses: a response, or the events of a stream.

Does not know HTTP. Events follow
https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tierchat.errors import TierchatError
from tierchat.events import AnswerDelta, Done, ThoughtDelta, ToolCallDelta
from tierchat.outcomes import Outcome
from tierchat.service.answers import ChoiceEvent
from tierchat.service.openai_replies import as_json, facts
from tierchat.service.responses.responses_format import ResponseRequest
from tierchat.service.seen_answer import SeenAnswer
from tierchat.types import Message


class ResponseForm:
    """Writes the answer to one request; `is_kept` says whether later ones may go on from it."""

    def __init__(self, asked: ResponseRequest, *, is_kept: bool = False) -> None:
        self._asked, self.is_kept = asked, is_kept
        self._name = secrets.token_hex(16)
        self._created = int(time.time())
        self._seen = SeenAnswer()
        self._items: list[dict[str, Any]] = []
        # The kind of the item that grows, which is the last one; and its text so far.
        self._open = ""
        self._text: list[str] = []
        self._has_begun = False
        self._num_events = 0

    def see(self, found: ChoiceEvent) -> None:
        """Take note of an event, perhaps long before its lines are written."""
        self._seen.see(found)

    def lines(self, found: ChoiceEvent) -> list[bytes]:
        """Write the events of a stream for one event."""
        made: list[bytes] = []
        if not self._has_begun:
            self._has_begun = True
            begun = self._response("in_progress", None, [])
            made += [
                self._line("response.created", response=begun),
                self._line("response.in_progress", response=begun),
            ]
        match found.event:
            case ThoughtDelta(text=text):
                made += self._into("reasoning", self._reasoning("", self._num_items))
                made.append(self._delta("response.reasoning_text.delta", text))
            case AnswerDelta(text=text) if text:
                made += self._into("message", self._message([], self._num_items))
                made.append(self._delta("response.output_text.delta", text, logprobs=[]))
            case ToolCallDelta(id=id_, name=name, arguments=arguments, index=index):
                made += self._into(f"call {index}", self._call(id_, name, "", self._num_items))
                if arguments:
                    kind = "response.function_call_arguments.delta"
                    made.append(self._delta(kind, arguments))
            case Done(outcome=outcome):
                made += self._ended(outcome)
            case _:
                made.append(self._line("x_tierchat", x_tierchat=found.event))
        return made

    def end(self) -> list[bytes]:
        """Write nothing more: the last event carries the whole response."""
        return []

    def error(self, error: TierchatError) -> bytes:
        """Write the event of an error in a stream that has begun."""
        return self._line(
            "error", code=error.code, message=error.message, param=error.param, hint=error.hint
        )

    def whole(self) -> dict[str, Any]:
        """Write the answer in one piece, whatever of it was written before."""
        outcome = self._seen.outcome
        items: list[dict[str, Any]] = []
        if outcome.thought:
            items.append(self._reasoning(outcome.thought, 0))
        if outcome.answer or outcome.finish_reason == "unanswered" or not outcome.tool_calls:
            items.append(self._message([_part(outcome)], len(items), "completed"))
        for call in outcome.tool_calls:
            given = (call.id, call.name, call.arguments)
            items.append(self._call(*given, len(items), "completed"))
        return self._response(_status(outcome), outcome, items)

    def conversation(self) -> tuple[Message, ...]:
        """Return the conversation with the answer at its end, and without instructions."""
        outcome = self._seen.outcome
        answer = Message(role="assistant", content=outcome.answer, tool_calls=outcome.tool_calls)
        return (*self._asked.conversation, answer)

    def _ended(self, outcome: Outcome) -> list[bytes]:
        made: list[bytes] = []
        if outcome.finish_reason == "unanswered":
            made += self._closed()
            self._items.append(self._message([_part(outcome)], self._num_items, "completed"))
            item, index = self._items[-1], len(self._items) - 1
            made += [
                self._line("response.output_item.added", output_index=index, item=item),
                self._line("response.output_item.done", output_index=index, item=item),
            ]
        made += self._closed()
        response = self._response(_status(outcome), outcome, self._items)
        made.append(self._line(f"response.{response['status']}", response=response))
        return made

    @property
    def _num_items(self) -> int:
        return len(self._items)

    def _into(self, kind: str, item: dict[str, Any]) -> list[bytes]:
        """Begin an item unless it is the one that grows; the one before it is finished."""
        if self._open == kind:
            return []
        made = self._closed()
        self._open, self._text = kind, []
        self._items.append(item)
        made.append(self._item_line("response.output_item.added"))
        if kind == "message":
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            made.append(self._part_line("response.content_part.added", part=part))
        return made

    def _closed(self) -> list[bytes]:
        kind, text, self._open = self._open, "".join(self._text), ""
        if not kind:
            return []
        item = self._items[-1]
        item["status"] = "completed"
        made: list[bytes] = []
        if kind == "message":
            part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            item["content"] = [part]
            made += [
                self._part_line("response.output_text.done", text=text, logprobs=[]),
                self._part_line("response.content_part.done", part=part),
            ]
        elif kind == "reasoning":
            item["content"] = [{"type": "reasoning_text", "text": text}]
            made.append(self._part_line("response.reasoning_text.done", text=text))
        else:
            item["arguments"] = text
            kind = "response.function_call_arguments.done"
            name = item["name"]
            made.append(self._line(kind, **self._place(), name=name, arguments=text))
        return [*made, self._item_line("response.output_item.done")]

    def _delta(self, kind: str, text: str, **fields: Any) -> bytes:
        self._text.append(text)
        if self._open.startswith("call"):
            return self._line(kind, **self._place(), delta=text, **fields)
        return self._part_line(kind, delta=text, **fields)

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}

    def _part_line(self, kind: str, **fields: Any) -> bytes:
        return self._line(kind, **self._place(), content_index=0, **fields)

    def _item_line(self, kind: str) -> bytes:
        return self._line(kind, output_index=len(self._items) - 1, item=self._items[-1])

    def _line(self, kind: str, **fields: Any) -> bytes:
        number, self._num_events = self._num_events, self._num_events + 1
        event = {"type": kind, "sequence_number": number, **fields}
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), as_json(event))

    def _reasoning(self, text: str, index: int) -> dict[str, Any]:
        content = [{"type": "reasoning_text", "text": text}] if text else []
        return {
            "type": "reasoning",
            "id": self._item_id("rs", index),
            "summary": [],
            "content": content,
        }

    def _message(
        self, content: list[dict[str, Any]], index: int, status: str = "in_progress"
    ) -> dict[str, Any]:
        return {
            "type": "message",
            "id": self._item_id("msg", index),
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _call(
        self, id_: str, name: str, arguments: str, index: int, status: str = "in_progress"
    ) -> dict[str, Any]:
        return {
            "type": "function_call",
            "id": self._item_id("fc", index),
            "call_id": id_,
            "name": name,
            "arguments": arguments,
            "status": status,
        }

    def _item_id(self, prefix: str, index: int) -> str:
        """Name an item by its place, so that a response is the same whenever it is written."""
        return f"{prefix}_{self._name}{index:02x}"

    def _response(
        self, status: str, outcome: Outcome | None, items: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        sent = self._asked.sent
        is_cut = status == "incomplete"
        return {
            "id": f"resp_{self._name}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "instructions": sent.instructions,
            "max_output_tokens": sent.max_output_tokens,
            "metadata": sent.metadata or {},
            "model": self._seen.model,
            "output": list(items),
            "parallel_tool_calls": sent.parallel_tool_calls is not False,
            "previous_response_id": sent.previous_response_id,
            "reasoning": msgspec.to_builtins(sent.reasoning) if sent.reasoning else None,
            "store": self.is_kept,
            "temperature": sent.temperature,
            "text": {"format": msgspec.to_builtins(sent.text.format)},
            "tool_choice": msgspec.to_builtins(sent.tool_choice or "auto"),
            "tools": msgspec.to_builtins(sent.tools or []),
            "top_p": sent.top_p,
            "truncation": "disabled",
            "usage": _usage(outcome) if outcome else None,
            "user": sent.user,
            **({"x_tierchat": facts(outcome)} if outcome else {}),
        }


def _status(outcome: Outcome) -> str:
    return "incomplete" if outcome.finish_reason == "length" else "completed"


def _part(outcome: Outcome) -> dict[str, Any]:
    if outcome.finish_reason == "unanswered":
        return {"type": "refusal", "refusal": outcome.notices[-1]}
    return {"type": "output_text", "text": outcome.answer, "annotations": [], "logprobs": []}


def _usage(outcome: Outcome) -> dict[str, Any]:
    cached = outcome.path[-1].cached_tokens if outcome.path else 0
    return {
        "input_tokens": outcome.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": outcome.generated_tokens,
        # Thoughts and answer are counted together.
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": outcome.prompt_tokens + outcome.generated_tokens,
    }
