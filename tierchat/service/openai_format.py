"""Requests in OpenAI's chat-completions JSON, read and written.

Does not know HTTP or how a prompt is answered; pure functions over values. Shapes follow
https://platform.openai.com/docs/api-reference/chat; tierchat's own fields are in `x_tierchat`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tierchat.errors import InvalidRequest
from tierchat.service.response_format import ResponseFormat, schema_of
from tierchat.types import Message, Prompt, Role, Sampling, TierOptions

_Value = TypeVar("_Value")
ANY_MODEL = "tierchat"
VERSION_HEADER = "x-tierchat-version"
# A request of a command names its home in it: see `paths.py:Paths.home_id`.
HOME_HEADER = "x-tierchat-home"
_MAX_MESSAGES = 10_000
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
# Fields that ask for answers tierchat cannot give; ignoring them would mislead the caller.
_UNSUPPORTED = (
    *("tools", "tool_choice", "functions", "function_call"),
    *("logprobs", "top_logprobs", "logit_bias", "modalities", "audio"),
)
# Values of those fields that ask for plain text only.
_IDLE: tuple[Any, ...] = (None, False, [], {}, "none", "auto", ["text"], {"type": "text"})
_MAX_SHOWN = 40
_Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _Turn(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part] | None = None


class _Body(msgspec.Struct):
    messages: Annotated[list[_Turn], msgspec.Meta(min_length=1, max_length=_MAX_MESSAGES)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = ANY_MODEL
    stream: bool = False
    n: Annotated[int, msgspec.Meta(ge=1, le=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    min_p: _Fraction | None = None
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    stop: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
        | Annotated[
            list[Annotated[str, msgspec.Meta(min_length=1, max_length=256)]],
            msgspec.Meta(max_length=16),
        ]
        | None
    ) = None
    ignore_eos: bool = False
    json_schema: Annotated[str, msgspec.Meta(max_length=100_000)] | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    user: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    enable_thinking: bool | None = None
    x_tierchat: TierOptions = TierOptions()


class ChatRequest(msgspec.Struct, frozen=True):
    """A prompt, the client it is for, and whether the answer is streamed."""

    prompt: Prompt
    is_stream: bool
    user: str | None


def read_request(body: bytes) -> ChatRequest:
    """Decode and check a request; raises InvalidRequest naming the field."""
    raw = _decode(body, dict[str, msgspec.Raw])
    for field in _UNSUPPORTED:
        if field in raw and _decode(bytes(raw[field]), Any) not in _IDLE:
            raise InvalidRequest(
                f"{field} = {_shortened(bytes(raw[field]))} is not supported",
                "leave the field out",
                param=field,
            )
    chat = _decode(body, _Body)
    prompt = Prompt(
        messages=tuple(_message(index, turn) for index, turn in enumerate(chat.messages)),
        sampling=_sampling(chat),
        options=_held(_options(chat), is_stream=chat.stream),
        think=chat.enable_thinking,
    )
    if prompt.messages[-1].role != "user":
        raise InvalidRequest("the last message must be the user's", param="messages")
    if not prompt.messages[-1].content.strip():
        raise InvalidRequest("the prompt is empty", "write a question", param="messages")
    return ChatRequest(prompt=prompt, is_stream=chat.stream, user=chat.user)


def read_body(body: bytes, kind: type[_Value]) -> _Value:
    """Decode and check the body of any other request; raises InvalidRequest naming the field."""
    value: _Value = _decode(body, kind)
    return value


def write_request(prompt: Prompt) -> bytes:
    """Encode a prompt as a streaming request, the inverse of `read_request`."""
    sampling = {
        name: value
        for name, value in msgspec.to_builtins(prompt.sampling).items()
        if value not in (None, (), False)
    }
    return msgspec.json.encode(
        {
            "model": ANY_MODEL,
            "stream": True,
            "messages": prompt.messages,
            **sampling,
            **({} if prompt.think is None else {"enable_thinking": prompt.think}),
            "x_tierchat": prompt.options,
        }
    )


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        field = re.sub(r"^\.", "", place.rstrip("`")) or None
        if field:
            message = f"{field}{_given(body, field)}: {message}"
        raise InvalidRequest(message, param=field) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply") from error


def _given(body: bytes, field: str) -> str:
    """Return ` = VALUE` for a field such as `stop[0]`, or an empty text without such a field."""
    value = msgspec.Raw(body)
    try:
        for name in re.findall(r"\w+", field):
            if name.isdigit():
                value = msgspec.json.decode(value, type=list[msgspec.Raw])[int(name)]
            else:
                value = msgspec.json.decode(value, type=dict[str, msgspec.Raw])[name]
    except (ValueError, LookupError):
        return ""
    return f" = {_shortened(bytes(value))}"


def _shortened(json: bytes) -> str:
    text = json.decode(errors="replace").strip()
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


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
        content = "".join(part.text for part in content)
    return Message(role=_ROLES[turn.role], content=content or "")


def _sampling(body: _Body) -> Sampling:
    return Sampling(
        temperature=body.temperature,
        top_k=body.top_k,
        top_p=body.top_p,
        min_p=body.min_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        seed=None if body.seed is None else body.seed % 2**32,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        ignore_eos=body.ignore_eos,
        json_schema=schema_of(body.response_format, body.json_schema),
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
    )


def _held(options: TierOptions, *, is_stream: bool) -> TierOptions:
    """Hold an answer back that its reader gets in one piece, unless the request says how much."""
    return options if is_stream or options.hold else msgspec.structs.replace(options, hold="answer")


def _options(body: _Body) -> TierOptions:
    """Read `model` as `cascade` or `cascade/tier`; `x_tierchat` takes precedence over it."""
    options = body.x_tierchat
    if body.model in (ANY_MODEL, ""):
        return options
    cascade, _, tier = body.model.partition("/")
    return msgspec.structs.replace(
        options, cascade=options.cascade or cascade, tier=options.tier or tier or None
    )
