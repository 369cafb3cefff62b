"""Requests in OpenAI's Responses JSON, read into prompts.

Does not know HTTP or how a prompt is answered. Shapes follow
https://platform.openai.com/docs/api-reference/responses/create.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.errors import InvalidRequest
from tierchat.service.openai.tool_format import SentTools, check_results
from tierchat.service.requests.effort import Effort, with_effort
from tierchat.service.requests.field_rules import HARMLESS, held, ignored, options_of, refuse
from tierchat.service.requests.json_body import decoded, fields_of
from tierchat.service.requests.response_format import schema_text
from tierchat.service.requests.sampling_fields import whole
from tierchat.service.responses.items import InputItem, messages_of
from tierchat.tool_calls import ToolName, ToolUse
from tierchat.types import Fraction, Message, Prompt, Sampling

_MAX_ITEMS = 10_000
_UNSUPPORTED = ("background", "conversation", "prompt", "context_management", "top_logprobs")
# `truncation` "auto" lets a server drop what does not fit; here that is always an error.
_HARMLESS = (*HARMLESS, "truncation", "max_tool_calls", "stream_options")
# What further data a reply may have, of which there is none here.
_INCLUDED = ("reasoning.encrypted_content",)
# Tools that Codex offers to every model; answers do without them.
_LEFT_OUT = ("web_search", "web_search_preview", "namespace")
_ANY_OBJECT = {"type": "object"}
ResponseId = Annotated[str, msgspec.Meta(max_length=256)]


class ResponseTool(msgspec.Struct, kw_only=True):
    """A tool that the client runs.

    Other types name tools that OpenAI runs: those that agents send unasked are left out and told,
    the rest is refused.
    """

    type: Annotated[str, msgspec.Meta(max_length=64)]
    name: ToolName | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseChoice(msgspec.Struct, kw_only=True):
    """The tool that must be called."""

    type: Literal["function"]
    name: ToolName


class ResponseReasoning(msgspec.Struct, kw_only=True):
    """How much effort goes into an answer; a `summary` of thoughts is not made."""

    effort: Effort | None = None
    summary: str | None = None
    generate_summary: str | None = None


class TextFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an answer; `name`, `description` and `strict` change nothing here."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None


class ResponseText(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an answer; `verbosity` other than medium is refused."""

    format: TextFormat = TextFormat()
    verbosity: Literal["medium"] | None = None


class ResponseBody(msgspec.Struct, kw_only=True):
    """The body of a request."""

    input: str | Annotated[list[InputItem], msgspec.Meta(min_length=1, max_length=_MAX_ITEMS)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = DEFAULT_MODEL
    instructions: str | None = None
    previous_response_id: ResponseId | None = None
    store: bool = True
    stream: bool = False
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Fraction | None = None
    tools: Annotated[list[ResponseTool], msgspec.Meta(max_length=256)] | None = None
    tool_choice: Literal["auto", "none", "required"] | ResponseChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: ResponseReasoning | None = None
    text: ResponseText = ResponseText()
    include: list[str] | None = None
    metadata: dict[str, Any] | None = None
    user: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    x_tierchat: dict[str, Any] = msgspec.field(default_factory=dict)


class ResponseRequest(msgspec.Struct, frozen=True):
    """A prompt, what was sent for it, and the conversation without its instructions."""

    prompt: Prompt
    sent: ResponseBody
    conversation: tuple[Message, ...]
    notices: tuple[str, ...] = ()


def previous_response(body: bytes) -> str | None:
    """Return the id of the response that a request goes on from; raises InvalidRequest."""
    name = "previous_response_id"
    raw = fields_of(body).get(name)
    return decoded(raw, ResponseId, name) if raw else None


def read_response_request(body: bytes, earlier: Sequence[Message] = ()) -> ResponseRequest:
    """Decode and check a request; raises InvalidRequest naming the field.

    `earlier` are the messages up to the response that it goes on from.
    """
    raw = fields_of(body)
    refuse(raw, _UNSUPPORTED)
    names = ("max_output_tokens",)
    raw |= {name: whole(raw[name]) for name in names if name in raw}
    sent: ResponseBody = decoded(msgspec.json.encode(raw), ResponseBody)
    conversation = (*earlier, *messages_of(sent.input))
    _check(conversation, sent)
    effort = sent.reasoning.effort if sent.reasoning else None
    options, think = with_effort(effort, options_of(sent.model, sent.x_tierchat), None)
    schema = _schema(sent.text.format)
    tools = _tools(sent)
    if schema and tools.callable:
        raise InvalidRequest(
            "text.format: an answer that follows a schema cannot call tools",
            "leave one of them out",
            param="text.format",
        )
    system = (Message(role="system", content=sent.instructions),) if sent.instructions else ()
    prompt = Prompt(
        messages=(*system, *conversation),
        sampling=Sampling(
            max_tokens=sent.max_output_tokens,
            temperature=sent.temperature,
            top_p=sent.top_p,
            json_schema=schema,
        ),
        options=held(options, is_stream=sent.stream),
        think=think,
        tools=tools,
    )
    known = (*ResponseBody.__struct_fields__, *_UNSUPPORTED, *_HARMLESS)
    left_out = [
        f"tools[{index}] of type {tool.type} was left out: tierchat does not run it"
        for index, tool in enumerate(sent.tools or ())
        if tool.type in _LEFT_OUT
    ]
    return ResponseRequest(prompt, sent, conversation, (*ignored(raw, known), *left_out))


def _check(conversation: Sequence[Message], sent: ResponseBody) -> None:
    try:
        check_results(conversation)
    except InvalidRequest as error:
        # The places that the rules name are those of a chat's messages.
        raise InvalidRequest(
            error.message.replace("messages[", "input[").replace("tool_call_id", "call_id"),
            "send each function_call before its function_call_output",
            param="input",
        ) from error
    if not any(message.role == "user" and message.content.strip() for message in conversation):
        raise InvalidRequest("input: no text of the user is to be answered", param="input")
    for name in sent.include or ():
        if name not in _INCLUDED:
            raise InvalidRequest(
                f"include: {name[:80]!r} is not there to be included",
                "leave it out",
                param="include",
            )


def _schema(asked: TextFormat) -> str | None:
    if asked.type == "text":
        return None
    if asked.type == "json_schema" and asked.schema is None:
        raise InvalidRequest("text.format.schema is missing", param="text.format.schema")
    return schema_text(asked.schema or _ANY_OBJECT, "text.format.schema")


def _tools(sent: ResponseBody) -> ToolUse:
    """Read the tools as those of a chat, whose rules are the same, and name the fields here."""
    functions = []
    for index, tool in enumerate(sent.tools or ()):
        if tool.type in _LEFT_OUT:
            continue
        if tool.type != "function" or tool.name is None:
            field = "type" if tool.type != "function" else "name"
            what = f" = {tool.type!r}: only tools that the client runs can be used"
            raise InvalidRequest(
                f"tools[{index}].{field}{what if field == 'type' else ' is missing'}",
                "leave the tool out, or describe it as a function",
                param=f"tools[{index}].{field}",
            )
        function = {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        }
        functions.append({"type": "function", "function": function})
    choice: Any = sent.tool_choice
    if isinstance(choice, ResponseChoice):
        choice = {"type": "function", "function": {"name": choice.name}}
    asked = {
        "tools": functions,
        "tool_choice": choice,
        "parallel_tool_calls": sent.parallel_tool_calls,
    }
    try:
        return msgspec.convert(asked, SentTools).use()
    except InvalidRequest as error:
        message, param = (
            text.replace("function.", "") for text in (error.message, error.param or "tools")
        )
        raise InvalidRequest(message, error.hint, param) from error
