"""Answers, chunks and errors in OpenAI's shape, written and read back.

Does not know HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.errors import (
    DaemonUnreachable,
    InvalidRequest,
    Overloaded,
    TierchatError,
    error_from_code,
)
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Loading, Notice, ThoughtDelta
from tierchat.service.openai_format import ANY_MODEL
from tierchat.types import Outcome


def _read_chunk(data: bytes) -> list[CascadeEvent]:
    try:
        chunk: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        if "error" in chunk:
            raise _error(data, 200)
        return list(_events_of(chunk))
    except (ValueError, LookupError, TypeError) as error:
        raise _unreadable(error) from error


def _events_of(chunk: dict[str, Any]) -> Iterator[CascadeEvent]:
    extension = chunk.get("x_tierchat") or {}
    delta = chunk["choices"][0]["delta"]
    kind = extension.get("type")
    if delta.get("content"):
        yield AnswerDelta(text=delta["content"])
    if delta.get("reasoning_content"):
        yield ThoughtDelta(tier=extension.get("tier", ""), text=delta["reasoning_content"])
    if kind == "done":
        # A newer daemon may have added keys; it never renames one.
        found = extension["outcome"]
        known = {name: found[name] for name in Outcome.__struct_fields__ if name in found}
        yield Done(outcome=msgspec.convert({"answer": "", "thought": "", **known}, Outcome))
    elif kind in ("hop", "notice", "loading"):
        event: Hop | Notice | Loading = msgspec.convert(extension, Hop | Notice | Loading)
        yield event


def _completed(event: Done, answer: str, thought: str) -> Done:
    return Done(outcome=msgspec.structs.replace(event.outcome, answer=answer, thought=thought))


def _unreadable(error: Exception) -> DaemonUnreachable:
    return DaemonUnreachable(
        f"the daemon speaks another version than this one, {__version__}: {error}",
        "tierchat daemon down: the next command starts the right one",
    )


def _error(body: bytes, status: int) -> TierchatError:
    try:
        found = msgspec.json.decode(body)["error"]
    except (ValueError, KeyError, TypeError):
        return DaemonUnreachable(
            f"the daemon answered {status} without saying why",
            f"another version may be running (this is {__version__}): tierchat daemon down",
        )
    error = error_from_code(found.get("code") or "", found["message"], found.get("hint") or "")
    if isinstance(error, Overloaded):
        error.retry_after_s = found.get("retry_after_s", error.retry_after_s)
    return error


def completion(id_: str, created: int, outcome: Outcome) -> dict[str, Any]:
    """Write a whole answer as a chat.completion object."""
    is_answered = outcome.finish_reason != "unanswered"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": outcome.answer if is_answered else None,
        "refusal": None if is_answered else outcome.notices[-1],
    }
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
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": id_,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [choice],
        **({"x_tierchat": extension} if extension is not None else {}),
        **rest,
    }


def facts(outcome: Outcome) -> dict[str, Any]:
    """List what tierchat knows of an answer, without the answer itself."""
    known: dict[str, Any] = msgspec.to_builtins(outcome)
    del known["answer"], known["thought"]
    return known


def error_body(error: TierchatError) -> dict[str, Any]:
    """Write an error as OpenAI does, with our hint beside."""
    is_ours = error.http_status >= 500
    return {
        "error": {
            "message": error.message,
            "type": "server_error" if is_ours else "invalid_request_error",
            "param": error.param if isinstance(error, InvalidRequest) else None,
            "code": error.code,
            "hint": error.hint,
            **({"retry_after_s": error.retry_after_s} if isinstance(error, Overloaded) else {}),
        }
    }


def _reason(outcome: Outcome) -> str:
    return "length" if outcome.finish_reason == "length" else "stop"


def _usage(outcome: Outcome) -> dict[str, Any]:
    cached = outcome.path[-1].cached_tokens if outcome.path else 0
    return {
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.generated_tokens,
        "total_tokens": outcome.prompt_tokens + outcome.generated_tokens,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
