"""Answers, chunks and errors in OpenAI's shape, written and read back.

Does not know HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.errors import (
    DaemonUnreachable,
    Overloaded,
    TierchatError,
    error_from_code,
)
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Hop,
    Loading,
    Notice,
    Starting,
    ThoughtDelta,
    ToolCallDelta,
    Working,
)
from tierchat.service.messages import ServedModel
from tierchat.service.openai.tool_format import SentCallDelta, written_call, written_call_delta
from tierchat.service.openai_format import ANY_MODEL
from tierchat.types import Outcome

_SURROGATE = re.compile("[\ud800-\udfff]")


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[SentCallDelta, ...] = ()


class _Choice(msgspec.Struct):
    delta: _Delta


class _Error(msgspec.Struct):
    message: str
    code: str | None = None
    hint: str | None = None
    retry_after_s: int | None = None

    def rebuilt(self) -> TierchatError:
        error = error_from_code(self.code or "", self.message, self.hint or "")
        if isinstance(error, Overloaded) and self.retry_after_s is not None:
            error.retry_after_s = self.retry_after_s
        return error


class _ErrorBody(msgspec.Struct):
    error: _Error


class _Chunk(msgspec.Struct):
    choices: tuple[_Choice, ...] = ()
    error: _Error | None = None
    # Untyped: kinds and keys that a newer daemon has added are passed over.
    x_tierchat: dict[str, Any] | None = None


def read_chunk(data: bytes) -> list[CascadeEvent]:
    """Return the events of one chunk of a stream.

    Raises the error that the chunk carries, or DaemonUnreachable if it cannot be read.
    """
    try:
        chunk = msgspec.json.decode(data, type=_Chunk)
        if chunk.error:
            raise chunk.error.rebuilt()
        return list(_events_of(chunk))
    except (ValueError, LookupError, TypeError) as error:
        raise unreadable(error) from error


def _events_of(chunk: _Chunk) -> Iterator[CascadeEvent]:
    delta, extension = chunk.choices[0].delta, chunk.x_tierchat or {}
    kind = extension.get("type")
    if delta.content:
        yield AnswerDelta(text=delta.content)
    if delta.reasoning_content:
        yield ThoughtDelta(tier=extension.get("tier", ""), text=delta.reasoning_content)
    yield from (sent.event() for sent in delta.tool_calls)
    if kind == "done":
        sent = extension["outcome"]
        known = {name: sent[name] for name in Outcome.__struct_fields__ if name in sent}
        yield Done(outcome=msgspec.convert({"answer": "", "thought": "", **known}, Outcome))
    elif kind in ("hop", "notice", "loading", "starting", "working"):
        yield msgspec.convert(extension, Hop | Notice | Loading | Starting | Working)


def read_error(body: bytes, status: int) -> TierchatError:
    """Return the error of a response; DaemonUnreachable if the body does not say what is wrong."""
    try:
        return msgspec.json.decode(body, type=_ErrorBody).error.rebuilt()
    except ValueError:
        return DaemonUnreachable(
            f"the daemon answered {status} without saying why",
            f"it may be another version (this is {__version__}); run: tierchat daemon down",
        )


def unreadable(error: Exception) -> DaemonUnreachable:
    """Describe a reply in a format that this version cannot read."""
    return DaemonUnreachable(
        f"the daemon seems to be another version (this is {__version__}): {error}",
        "run: tierchat daemon down; the next command starts this version",
    )


def completion(id_: str, created: int, outcome: Outcome) -> dict[str, Any]:
    """Write a whole answer as a chat.completion object."""
    is_answered = outcome.finish_reason != "unanswered"
    has_content = is_answered and (outcome.answer or not outcome.tool_calls)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": outcome.answer if has_content else None,
        "refusal": None if is_answered else outcome.notices[-1],
    }
    if outcome.tool_calls:
        message["tool_calls"] = [written_call(call) for call in outcome.tool_calls]
    if outcome.thought:
        message["reasoning_content"] = outcome.thought
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(outcome)}
    return {
        "id": id_,
        "object": "chat.completion",
        "created": created,
        "model": outcome.model or ANY_MODEL,
        "choices": [choice],
        "usage": _usage(outcome),
        "x_tierchat": facts(outcome),
    }


def first_chunk(id_: str, created: int) -> dict[str, Any]:
    """Write the chunk that begins a stream: whose turn it is, and no text yet."""
    return _chunk(id_, created, ANY_MODEL, {"role": "assistant", "content": ""})


def chunk(id_: str, created: int, event: CascadeEvent) -> dict[str, Any]:
    """Write one event as a chat.completion.chunk object."""
    delta: dict[str, Any] = {}
    finish_reason: str | None = None
    extension: Any = None
    rest: dict[str, Any] = {}
    model = ANY_MODEL
    match event:
        case AnswerDelta(text=text):
            delta = {"content": text}
        case ToolCallDelta():
            delta = {"tool_calls": [written_call_delta(event)]}
        case ThoughtDelta(tier=tier, text=text):
            delta = {"reasoning_content": text}
            extension = {"type": "thought", "tier": tier}
        case Done(outcome=outcome):
            finish_reason, model = _reason(outcome), outcome.model or ANY_MODEL
            if outcome.finish_reason == "unanswered":
                delta = {"refusal": outcome.notices[-1]}
            extension = {"type": "done", "outcome": facts(outcome)}
            rest = {"usage": _usage(outcome)}
        case _:
            extension = event
    return {
        **_chunk(id_, created, model, delta, finish_reason),
        **({"x_tierchat": extension} if extension is not None else {}),
        **rest,
    }


def _chunk(
    id_: str, created: int, model: str, delta: dict[str, Any], finish_reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": id_,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [choice],
    }


def model_object(model: ServedModel) -> dict[str, Any]:
    """Write a name that can be asked as a model object."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": "tierchat",
    }


def as_json(value: Any) -> bytes:
    """Encode a reply; half of a surrogate pair, as in the name of a file, becomes U+FFFD."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_surrogates(msgspec.to_builtins(value)))


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value


def facts(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of an outcome without its answer, thought and calls."""
    fields: dict[str, Any] = msgspec.to_builtins(outcome)
    del fields["answer"], fields["thought"], fields["tool_calls"]
    return fields


def error_body(error: TierchatError) -> dict[str, Any]:
    """Write an error in OpenAI's shape, with our hint as one more field."""
    is_ours = error.http_status >= 500
    return {
        "error": {
            "message": error.message,
            "type": "server_error" if is_ours else "invalid_request_error",
            "param": error.param,
            "code": error.code,
            "hint": error.hint,
            **({"retry_after_s": error.retry_after_s} if isinstance(error, Overloaded) else {}),
        }
    }


def _reason(outcome: Outcome) -> str:
    reason = outcome.finish_reason
    return reason if reason in ("length", "tool_calls") else "stop"


def _usage(outcome: Outcome) -> dict[str, Any]:
    cached = outcome.path[-1].cached_tokens if outcome.path else 0
    return {
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.generated_tokens,
        "total_tokens": outcome.prompt_tokens + outcome.generated_tokens,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
