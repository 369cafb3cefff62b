"""Requests in OpenAI's chat-completions JSON, read and written.

Does not know HTTP or how a prompt is answered; pure functions over values. Shapes follow
https://platform.openai.com/docs/api-reference/chat; tierchat's own fields are in `x_tierchat`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.errors import InvalidRequest
from tierchat.service.openai.tool_format import (
    SentCall,
    SentTools,
    check_results,
    written_message,
    written_tools,
)
from tierchat.service.requests.effort import Effort, with_effort
from tierchat.service.requests.field_rules import (
    GRAMMARS,
    HARMLESS,
    held,
    ignored,
    options_of,
    refuse,
    refuse_pictures,
)
from tierchat.service.requests.json_body import decoded, fields_of
from tierchat.service.requests.response_format import ResponseFormat, schema_of
from tierchat.service.requests.sampling_fields import (
    SAMPLING_NAMES,
    Seed,
    Stop,
    sampling_of,
    whole,
    with_own_seed,
)
from tierchat.types import (
    Message,
    NumLogprobs,
    Prompt,
    Role,
    TierOptions,
)

_Value = TypeVar("_Value")
ANY_MODEL = DEFAULT_MODEL
VERSION_HEADER = "x-tierchat-version"
TIER_HEADER = "x-tierchat-tier"
# A command elsewhere asks with it for the events of tiers as they come.
LIVE_HEADER = "x-tierchat-live"
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
# Fields that ask for answers tierchat cannot give.
_UNSUPPORTED = (
    *("functions", "function_call"),
    *("modalities", "audio", "web_search_options", "verbosity", "moderation"),
    *GRAMMARS,
)
MAX_CHOICES = 16
# Fields of a message that say more than its text.
_UNREAD = {
    "images": "no tier here sees images",
    "audio": "no tier here hears",
    "function_call": "calls are in tool_calls, their results in messages of the role tool",
}
# Whole numbers that are read with the body.
_WHOLE = ("n", "seed", "top_logprobs")


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _TemplateValues(msgspec.Struct, frozen=True):
    """What vLLM, SGLang and llama-server pass to chat templates; the rest of it is ignored."""

    enable_thinking: bool | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream carries beside the answer; `include_obfuscation` changes nothing here."""

    include_usage: bool = False


class _Turn(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[SentCall] | None = None
    tool_call_id: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    images: Any = None
    audio: Any = None
    function_call: Any = None


class ChatBody(SentTools, kw_only=True):
    messages: Annotated[list[_Turn], msgspec.Meta(min_length=1, max_length=_MAX_MESSAGES)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = ANY_MODEL
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] = 1
    logprobs: bool = False
    top_logprobs: NumLogprobs | None = None
    reasoning_effort: Effort | None = None
    seed: Seed | None = None
    stop: Stop | None = None
    json_schema: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    user: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: _TemplateValues = _TemplateValues()
    x_tierchat: dict[str, Any] = msgspec.field(default_factory=dict)


_KNOWN = frozenset((*ChatBody.__struct_fields__, *SAMPLING_NAMES, *_UNSUPPORTED, *HARMLESS))


class ChatRequest(msgspec.Struct, frozen=True):
    """A prompt, the client it is for, and how the answers are written.

    `notices` tell the caller of fields that were ignored.
    """

    prompt: Prompt
    is_stream: bool
    user: str | None
    num_choices: int = 1
    includes_usage: bool = False
    notices: tuple[str, ...] = ()

    def prompts(self) -> list[Prompt]:
        """Return the prompt of each choice; with a seed each choice has one of its own."""
        return [
            msgspec.structs.replace(
                self.prompt, sampling=with_own_seed(self.prompt.sampling, number)
            )
            for number in range(self.num_choices)
        ]


def read_request(body: bytes) -> ChatRequest:
    """Decode and check a request; raises InvalidRequest naming the field."""
    raw = fields_of(body)
    refuse(raw, _UNSUPPORTED)
    refuse_pictures(raw)
    raw |= {name: whole(raw[name]) for name in _WHOLE if name in raw}
    chat = decoded(msgspec.json.encode(raw), ChatBody)
    think = chat.enable_thinking
    think = chat.chat_template_kwargs.enable_thinking if think is None else think
    options, think = with_effort(
        chat.reasoning_effort, options_of(chat.model, chat.x_tierchat), think
    )
    _refuse_contradictions(chat, options)
    prompt = Prompt(
        messages=tuple(_message(index, turn) for index, turn in enumerate(chat.messages)),
        sampling=sampling_of(
            raw, chat.seed, chat.stop, schema_of(chat.response_format, chat.json_schema)
        ),
        options=held(options, is_stream=chat.stream),
        think=think,
        logprobs=(chat.top_logprobs or 0) if chat.logprobs else None,
        tools=chat.use(),
    )
    check_results(prompt.messages)
    # An assistant's message at the end is the beginning of the answer; system text may stand
    # behind the question, too.
    if not any(message.role == "user" for message in prompt.messages):
        raise InvalidRequest("no message of the user is to be answered", param="messages")
    if not prompt.question.strip():
        raise InvalidRequest("the prompt is empty", "write a question", param="messages")
    return ChatRequest(
        prompt=prompt,
        is_stream=chat.stream,
        user=chat.user,
        num_choices=chat.n,
        includes_usage=chat.stream and chat.stream_options.include_usage,
        notices=tuple(ignored(raw, _KNOWN)),
    )


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
            **({} if prompt.logprobs is None else {"logprobs": True}),
            **({"top_logprobs": prompt.logprobs} if prompt.logprobs else {}),
            "x_tierchat": prompt.options,
        }
    )


def _message(index: int, turn: _Turn) -> Message:
    for name, why in _UNREAD.items():
        if getattr(turn, name):
            field = f"messages[{index}].{name}"
            raise InvalidRequest(f"{field} cannot be read: {why}", "leave it out", param=field)
    content = turn.content
    if isinstance(content, list):
        for part in content:
            if part.type != "text":
                raise refused_part(f"messages[{index}].content", part.type)
        content = "\n".join(part.text for part in content if part.text)
    return Message(
        role=_ROLES[turn.role],
        content=content or "",
        tool_calls=tuple(sent.call() for sent in turn.tool_calls or ()),
        tool_call_id=turn.tool_call_id or "",
    )


def refused_part(field: str, kind: str) -> InvalidRequest:
    """Return the error for a part of content that is no text."""
    what = "the models of these tiers read text only"
    if "image" in kind:
        what = "no tier here sees images: their models read text only"
    elif "audio" in kind:
        what = "no tier here hears: their models read text only"
    message = f"{field}: a part of type {kind!r} cannot be read; {what}"
    return InvalidRequest(message, "send text", param=field)


def _refuse_contradictions(body: ChatBody, options: TierOptions) -> None:
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequest(
            "top_logprobs is there without logprobs",
            "set logprobs to true, or leave top_logprobs out",
            param="top_logprobs",
        )
    if body.tools and body.tool_choice != "none":
        _refuse_beside_tools(body, options)
    if body.n > 1 and options.save:
        raise InvalidRequest(
            f"n = {body.n}: an exchange that is saved has one answer",
            "leave n or x_tierchat.save out",
            param="n",
        )


def _refuse_beside_tools(body: ChatBody, options: TierOptions) -> None:
    """Refuse what leaves no room for calls; raises InvalidRequest."""
    asked = body.response_format
    if body.json_schema is not None or (asked is not None and asked.type != "text"):
        field = "response_format" if body.json_schema is None else "json_schema"
        raise InvalidRequest(
            f"{field}: an answer that follows a schema cannot call tools",
            'leave one of them out, or send tool_choice = "none"',
            param=field,
        )
    if options.raw:
        raise InvalidRequest(
            "x_tierchat.raw: text that is continued as it is has no tools",
            "leave one of them out",
            param="x_tierchat.raw",
        )
