"""Requests in OpenAI's chat-completions JSON, read and written.

Does not know HTTP or how a prompt is answered; pure functions over values. Shapes follow
https://platform.openai.com/docs/api-reference/chat; tierchat's own fields are in `x_tierchat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.errors import InvalidRequest
from tierchat.service.json_body import decoded, fields_of, refusal, shortened, without_nulls
from tierchat.service.openai.tool_format import (
    SentCall,
    SentTools,
    check_results,
    written_message,
    written_tools,
)
from tierchat.service.response_format import ResponseFormat, schema_of
from tierchat.types import SAMPLING_ALIASES, Message, Prompt, Role, Sampling, TierOptions

_Value = TypeVar("_Value")
ANY_MODEL = DEFAULT_MODEL
VERSION_HEADER = "x-tierchat-version"
# A request of a command names its home in it: see `paths.py:Paths.home_id`.
HOME_HEADER = "x-tierchat-home"
_MAX_MESSAGES = 10_000
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
# Fields that ask for answers tierchat cannot give; ignoring them would mislead the caller.
_UNSUPPORTED = (
    *("functions", "function_call"),
    *("logprobs", "top_logprobs", "logit_bias", "modalities", "audio", "web_search_options"),
    # Other servers' grammars, beside JSON schemas.
    *("grammar", "guided_json", "guided_regex", "guided_choice", "guided_grammar"),
    "structured_outputs",
)
# Values of those fields that ask for plain text only.
_IDLE: tuple[Any, ...] = (None, False, "", [], {}, "none", "auto", ["text"], {"type": "text"})
# OpenAI's seeds have 64 bits, llama.cpp's have 32.
_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_StopText = Annotated[str, msgspec.Meta(max_length=256)]
_Stop = _StopText | Annotated[list[_StopText], msgspec.Meta(max_length=16)]
# Above, floats skip whole numbers.
_MAX_EXACT = 2**53
# Whole numbers that are read with the body.
_WHOLE = ("n", "seed")
# These fields of `Sampling` are read with rules of their own.
_OWN_RULES = ("seed", "stop", "json_schema")
_SAMPLING_TYPES: dict[str, Any] = {
    field.name: field.type
    for field in msgspec.structs.fields(Sampling)
    if field.name not in _OWN_RULES
}


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _TemplateValues(msgspec.Struct, frozen=True):
    """What vLLM, SGLang and llama-server pass to chat templates; the rest of it is ignored."""

    enable_thinking: bool | None = None


class _Turn(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[SentCall] | None = None
    tool_call_id: Annotated[str, msgspec.Meta(max_length=256)] | None = None


class _Body(SentTools, kw_only=True):
    messages: Annotated[list[_Turn], msgspec.Meta(min_length=1, max_length=_MAX_MESSAGES)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = ANY_MODEL
    stream: bool = False
    n: Annotated[int, msgspec.Meta(ge=1, le=1)] | None = None
    seed: _Seed | None = None
    stop: _Stop | None = None
    json_schema: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    user: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: _TemplateValues = _TemplateValues()
    x_tierchat: dict[str, Any] = msgspec.field(default_factory=dict)


class ChatRequest(msgspec.Struct, frozen=True):
    """A prompt, the client it is for, and whether the answer is streamed."""

    prompt: Prompt
    is_stream: bool
    user: str | None


def read_request(body: bytes) -> ChatRequest:
    """Decode and check a request; raises InvalidRequest naming the field."""
    raw = fields_of(body)
    for field in _UNSUPPORTED:
        if field in raw and decoded(raw[field], Any) not in _IDLE:
            raise InvalidRequest(
                f"{field} = {shortened(bytes(raw[field]))} is not supported",
                "leave the field out",
                param=field,
            )
    raw |= {name: _whole(raw[name]) for name in _WHOLE if name in raw}
    chat = decoded(msgspec.json.encode(raw), _Body)
    think = chat.enable_thinking
    prompt = Prompt(
        messages=tuple(_message(index, turn) for index, turn in enumerate(chat.messages)),
        sampling=_sampling(chat, raw),
        options=_held(_options(chat), is_stream=chat.stream),
        think=chat.chat_template_kwargs.enable_thinking if think is None else think,
        tools=chat.use(),
    )
    check_results(prompt.messages)
    _refuse_tools(prompt)
    # An assistant's message at the end is the beginning of the answer; system text may stand
    # behind the question, too.
    if not any(message.role == "user" for message in prompt.messages):
        raise InvalidRequest("no message of the user is to be answered", param="messages")
    if not prompt.question.strip():
        raise InvalidRequest("the prompt is empty", "write a question", param="messages")
    return ChatRequest(prompt=prompt, is_stream=chat.stream, user=chat.user)


def _refuse_tools(prompt: Prompt) -> None:
    """Refuse what no tier is given yet; raises InvalidRequest."""
    if prompt.tools.callable:
        raise InvalidRequest("tools are not supported", "leave the field out", param="tools")
    if any(message.role == "tool" for message in prompt.messages):
        raise InvalidRequest("results of tools are not supported", param="messages")


def read_body(body: bytes, kind: type[_Value]) -> _Value:
    """Decode and check the body of any other request; raises InvalidRequest naming the field."""
    value: _Value = decoded(body, kind)
    return value


def write_request(prompt: Prompt) -> bytes:
    """Encode a prompt as a streaming request, the inverse of `read_request`."""
    return msgspec.json.encode(
        {
            "model": ANY_MODEL,
            "stream": True,
            "messages": [written_message(message) for message in prompt.messages],
            **prompt.sampling.given(),
            **({} if prompt.think is None else {"enable_thinking": prompt.think}),
            **written_tools(prompt.tools),
            "x_tierchat": prompt.options,
        }
    )


def _message(index: int, turn: _Turn) -> Message:
    content = turn.content
    if isinstance(content, list):
        for part in content:
            if part.type != "text":
                raise InvalidRequest(
                    f"messages[{index}].content: parts of type {part.type!r} are not supported",
                    "send text",
                    param=f"messages[{index}].content",
                )
        content = "\n".join(part.text for part in content if part.text)
    return Message(
        role=_ROLES[turn.role],
        content=content or "",
        tool_calls=tuple(sent.call() for sent in turn.tool_calls or ()),
        tool_call_id=turn.tool_call_id or "",
    )


def _sampling(body: _Body, raw: Mapping[str, msgspec.Raw]) -> Sampling:
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    values: dict[str, Any] = {
        "seed": body.seed if body.seed in (None, -1) else body.seed % 2**32,
        "stop": tuple(text for text in stop if text),
        "json_schema": schema_of(body.response_format, body.json_schema),
    }
    # A name that OpenAI or llama.cpp prefers comes after ours and wins.
    for name in (*_SAMPLING_TYPES, *SAMPLING_ALIASES):
        if name in raw:
            field = SAMPLING_ALIASES.get(name, name)
            values[field] = _value(raw[name], _SAMPLING_TYPES[field], name)
    return Sampling(**values)


def _value(raw: msgspec.Raw, kind: Any, name: str) -> Any:
    return decoded(_whole(raw), kind, name)


def _whole(raw: msgspec.Raw) -> msgspec.Raw:
    """Return 40 for 40.0, as clients write it whose numbers all have a point."""
    try:
        number = msgspec.json.decode(raw, type=float)
    except ValueError:
        return raw
    is_whole = number.is_integer() and abs(number) <= _MAX_EXACT
    return msgspec.Raw(b"%d" % number) if is_whole else raw


def _held(options: TierOptions, *, is_stream: bool) -> TierOptions:
    """Hold an answer back that its reader gets in one piece, unless the request says how much."""
    return options if is_stream or options.hold else msgspec.structs.replace(options, hold="answer")


def _options(body: _Body) -> TierOptions:
    """Read `model` as `cascade` or `cascade/tier`; `x_tierchat` takes precedence over it."""
    sent = without_nulls(body.x_tierchat)
    try:
        options = msgspec.convert(sent, TierOptions)
    except msgspec.ValidationError as error:
        raise refusal(error, msgspec.json.encode(sent), TierOptions, "x_tierchat") from error
    if body.model in (ANY_MODEL, ""):
        return options
    named, _, tier = body.model.partition("/")
    cascade = None if named == ANY_MODEL else named
    return msgspec.structs.replace(
        options, cascade=options.cascade or cascade, tier=options.tier or tier or None
    )
