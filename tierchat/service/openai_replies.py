"""Answers, chunks and errors in OpenAI's shape; `openai/reading.py` reads them back.

Does not know HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.errors import (
    Overloaded,
    TierchatError,
)
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    ThoughtDelta,
    ToolCallDelta,
)
from tierchat.outcomes import Outcome, ScoredToken, TokenLogprob
from tierchat.service.messages import ServedModel
from tierchat.service.openai.tool_format import written_call, written_call_delta
from tierchat.service.openai_format import ANY_MODEL

_SURROGATE = re.compile("[\ud800-\udfff]")
# What answers a request beside the model's file, which `model` names.
FINGERPRINT = f"tierchat-{__version__}"


def completion(
    id_: str,
    created: int,
    *outcomes: Outcome,
    logprobs: Sequence[Sequence[ScoredToken]] | None = None,
) -> dict[str, Any]:
    """Write whole answers, one for each choice, as a chat.completion object."""
    choices = [
        _whole_choice(index, outcome, logprobs[index] if logprobs else None)
        for index, outcome in enumerate(outcomes)
    ]
    if len(outcomes) > 1:
        choices = [
            {**choice, "x_tierchat": facts(outcome)}
            for choice, outcome in zip(choices, outcomes, strict=True)
        ]
    return {
        "id": id_,
        "object": "chat.completion",
        "created": created,
        "model": outcomes[0].model or ANY_MODEL,
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
        "usage": usage_of(outcomes),
        "x_tierchat": facts(outcomes[0]),
    }


def _whole_choice(
    index: int, outcome: Outcome, logprobs: Sequence[ScoredToken] | None
) -> dict[str, Any]:
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
    shown = None if logprobs is None else logprobs_of(logprobs)
    return {
        "index": index,
        "message": message,
        "logprobs": shown,
        "finish_reason": _reason(outcome),
    }


def first_chunk(id_: str, created: int, model: str | None = None, index: int = 0) -> dict[str, Any]:
    """Write the chunk that begins a choice: whose turn it is, and no text yet."""
    return _chunk(id_, created, model, {"role": "assistant", "content": ""}, index=index)


def chunk(
    id_: str,
    created: int,
    event: CascadeEvent,
    model: str | None = None,
    index: int = 0,
    *,
    has_usage: bool = True,
) -> dict[str, Any]:
    """Write one event as a chat.completion.chunk object."""
    delta: dict[str, Any] = {}
    finish_reason: str | None = None
    extension: Any = None
    logprobs: dict[str, Any] | None = None
    rest: dict[str, Any] = {}
    match event:
        case AnswerDelta(text=text):
            delta = {"content": text}
            logprobs = logprobs_of(event.logprobs) if event.logprobs else None
            model = event.model or model
        case ToolCallDelta():
            delta = {"tool_calls": [written_call_delta(event)]}
        case ThoughtDelta(tier=tier, text=text):
            delta = {"reasoning_content": text}
            extension = {"type": "thought", "tier": tier}
        case Done(outcome=outcome):
            finish_reason, model = _reason(outcome), outcome.model or model
            if outcome.finish_reason == "unanswered":
                delta = {"refusal": outcome.notices[-1]}
            extension = {"type": "done", "outcome": facts(outcome)}
            rest = {"usage": usage_of([outcome])} if has_usage else {}
        case _:
            extension = event
    return {
        **_chunk(id_, created, model, delta, finish_reason, index=index, logprobs=logprobs),
        **({"x_tierchat": extension} if extension is not None else {}),
        **rest,
    }


def usage_chunk(
    id_: str, created: int, model: str | None, outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Write the last chunk of a stream that includes the usage: it has no choices."""
    return {**_chunk(id_, created, model, {}), "choices": [], "usage": usage_of(outcomes)}


def _chunk(
    id_: str,
    created: int,
    model: str | None,
    delta: dict[str, Any],
    finish_reason: str | None = None,
    *,
    index: int = 0,
    logprobs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    choice = {
        "index": index,
        "delta": delta,
        "logprobs": logprobs,
        "finish_reason": finish_reason,
    }
    return {
        "id": id_,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model or ANY_MODEL,
        "system_fingerprint": FINGERPRINT,
        "choices": [choice],
    }


def logprobs_of(tokens: Sequence[ScoredToken]) -> dict[str, Any]:
    """Write the log-probabilities of an answer's tokens; bytes are exact, texts are not always."""
    content = [
        {**_token(token), "top_logprobs": [_token(t) for t in token.top]} for token in tokens
    ]
    return {"content": content, "refusal": None}


def _token(token: TokenLogprob) -> dict[str, Any]:
    text = token.raw.decode(errors="replace")
    return {"token": text, "logprob": token.logprob, "bytes": list(token.raw)}


def model_object(model: ServedModel) -> dict[str, Any]:
    """Write a name that can be asked as a model object, of OpenAI's and of Anthropic's clients."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": "tierchat",
        "type": "model",
        "display_name": model.id,
        "created_at": datetime.fromtimestamp(model.created, UTC).isoformat(),
        "lifecycle": "active",
    }


def model_list(models: Sequence[ServedModel]) -> dict[str, Any]:
    """Write all names that can be asked; Anthropic's clients read pages, of which this is one."""
    ids = [model.id for model in models]
    return {
        "object": "list",
        "data": [model_object(model) for model in models],
        "has_more": False,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
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


def bare_response(error: TierchatError) -> bytes:
    """Write an HTTP response with an error that comes before there is a request to answer.

    It closes the connection.
    """
    body = as_json(error_body(error))
    lines = [
        f"HTTP/1.1 {error.http_status} {HTTPStatus(error.http_status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *([f"Retry-After: {error.retry_after_s}"] if isinstance(error, Overloaded) else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


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


def usage_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Count the tokens of all choices; they share one prompt."""
    first = outcomes[0]
    generated = sum(outcome.generated_tokens for outcome in outcomes)
    return {
        "prompt_tokens": first.prompt_tokens,
        "completion_tokens": generated,
        "total_tokens": first.prompt_tokens + generated,
        "prompt_tokens_details": {
            "cached_tokens": first.path[-1].cached_tokens if first.path else 0
        },
    }
