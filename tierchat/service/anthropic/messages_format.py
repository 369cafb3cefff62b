"""Requests in Anthropic's messages JSON, read into prompts.

Does not know HTTP or how a prompt is answered. Shapes follow
https://docs.anthropic.com/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tierchat.errors import InvalidRequest
from tierchat.service.anthropic.content import (
    AnthropicBlock,
    AnthropicTurn,
    messages_of,
    system_text,
)
from tierchat.service.openai.tool_format import SentTools, check_results
from tierchat.service.requests.effort import Effort, with_effort
from tierchat.service.requests.field_rules import held, ignored, options_of, refuse
from tierchat.service.requests.json_body import decoded, fields_of
from tierchat.service.requests.response_format import schema_text
from tierchat.service.requests.sampling_fields import whole
from tierchat.tool_calls import ToolName, ToolUse
from tierchat.types import Fraction, Message, Prompt, Sampling, TierOptions

_MAX_MESSAGES = 10_000
_UNSUPPORTED = ("container", "mcp_servers")
_HARMLESS = (
    *("metadata", "service_tier", "inference_geo", "betas", "anthropic_version", "cache_control"),
    *("diagnostics", "speed", "user_profile_id", "workspace_id"),
)
_NULL = msgspec.Raw(b"null")
# A name of Anthropic's, such as claude-sonnet-4-5, stands for the place of the least tier.
_FAMILIES = ("haiku", "sonnet", "opus")


class AnthropicTool(msgspec.Struct, kw_only=True):
    """A tool that the client runs; `type` names tools that Anthropic runs, which are refused."""

    name: ToolName
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    type: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class AnthropicChoice(msgspec.Struct, kw_only=True):
    """Which tools may, or must, be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: ToolName | None = None
    disable_parallel_tool_use: bool = False


class Thinking(msgspec.Struct, kw_only=True):
    """Whether tiers that can think do; the budget of tokens is not kept to."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None


class OutputFormat(msgspec.Struct, kw_only=True):
    """The schema that an answer is kept to."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, kw_only=True):
    """The form of an answer, and the effort that goes into it."""

    format: OutputFormat | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class CountBody(msgspec.Struct, kw_only=True):
    """What of a request makes its prompt."""

    messages: Annotated[list[AnthropicTurn], msgspec.Meta(min_length=1, max_length=_MAX_MESSAGES)]
    model: Annotated[str, msgspec.Meta(max_length=256)]
    system: str | list[AnthropicBlock] | None = None
    tools: Annotated[list[AnthropicTool], msgspec.Meta(max_length=256)] | None = None
    tool_choice: AnthropicChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    x_tierchat: dict[str, Any] = msgspec.field(default_factory=dict)


class MessagesBody(CountBody, kw_only=True):
    """The body of a request."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    stream: bool = False
    stop_sequences: (
        Annotated[
            list[Annotated[str, msgspec.Meta(min_length=1, max_length=256)]],
            msgspec.Meta(max_length=16),
        ]
        | None
    ) = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_p: Fraction | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


_Body = TypeVar("_Body", bound=CountBody)


class MessagesRequest(msgspec.Struct, frozen=True):
    """A prompt, and how its answer is written; `notices` tell of fields that were ignored.

    Thoughts are shown to those who asked for thinking: others do not expect such blocks.
    """

    prompt: Prompt
    is_stream: bool = False
    notices: tuple[str, ...] = ()
    shows_thoughts: bool = False


def read_messages(body: bytes, tiers: Mapping[str, str]) -> MessagesRequest:
    """Decode and check a request; raises InvalidRequest naming the field.

    `tiers` has the least tier for each of Anthropic's families of models.
    """
    asked, raw = _read(body, MessagesBody)
    options = _options(asked, tiers)
    effort: Effort | None = None
    if asked.output_config and asked.output_config.effort:
        sent = asked.output_config.effort
        effort = "xhigh" if sent == "max" else sent
    options, think = with_effort(effort, options, _think(asked.thinking))
    sampling = Sampling(
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop=tuple(asked.stop_sequences or ()),
        json_schema=_schema(asked),
    )
    prompt = Prompt(
        messages=_messages(asked),
        sampling=sampling,
        options=held(options, is_stream=asked.stream),
        think=think,
        tools=_tools(asked),
    )
    if sampling.json_schema and prompt.tools.callable:
        raise InvalidRequest(
            "output_config.format: an answer that follows a schema cannot call tools",
            "leave one of them out",
            param="output_config.format",
        )
    known = (*MessagesBody.__struct_fields__, *_UNSUPPORTED, *_HARMLESS, "context_management")
    notices = tuple(ignored(raw, known))
    if raw.get("context_management", _NULL) != _NULL:
        # Agents send it unasked; without it more of the conversation is read, not less.
        notices += ("context_management was ignored: nothing is cleared from conversations here",)
    shows_thoughts = asked.thinking is not None and asked.thinking.type != "disabled"
    return MessagesRequest(prompt, asked.stream, notices, shows_thoughts)


def read_count(body: bytes, tiers: Mapping[str, str]) -> MessagesRequest:
    """Decode and check a request whose tokens are to be counted."""
    asked, _ = _read(body, CountBody)
    return MessagesRequest(
        Prompt(
            messages=_messages(asked),
            options=_options(asked, tiers),
            think=_think(asked.thinking),
            tools=_tools(asked),
        )
    )


def least_tiers(tiers: Sequence[str], named: str) -> dict[str, str]:
    """Return the least tier for haiku, sonnet and opus: low, middle and top, or those `named`."""
    chosen = named.replace(",", " ").split()
    if len(chosen) != len(_FAMILIES):
        chosen = [tiers[0], tiers[len(tiers) // 2], tiers[-1]]
    return dict(zip(_FAMILIES, chosen, strict=True))


def _read(body: bytes, kind: type[_Body]) -> tuple[_Body, dict[str, msgspec.Raw]]:
    raw = fields_of(body)
    refuse(raw, _UNSUPPORTED)
    raw |= {name: whole(raw[name]) for name in ("max_tokens", "top_k") if name in raw}
    return decoded(msgspec.json.encode(raw), kind), raw


def _options(asked: CountBody, tiers: Mapping[str, str]) -> TierOptions:
    family = next((name for name in _FAMILIES if name in asked.model.casefold()), None)
    if family is None and not asked.model.casefold().startswith("claude"):
        return options_of(asked.model, asked.x_tierchat)
    options = options_of("", asked.x_tierchat)
    if family is None or options.tier or options.min_tier or options.cascade:
        return options
    return msgspec.structs.replace(options, min_tier=tiers[family])


def _messages(asked: CountBody) -> tuple[Message, ...]:
    system = system_text(asked.system)
    messages = tuple(messages_of(asked.messages))
    check_results(messages)
    if not any(message.role == "user" and message.content.strip() for message in messages):
        raise InvalidRequest("messages: no text of the user is to be answered", param="messages")
    return (Message(role="system", content=system), *messages) if system else messages


def _think(thinking: Thinking | None) -> bool | None:
    decided = {"enabled": True, "disabled": False}
    return decided.get(thinking.type) if thinking else None


def _schema(asked: CountBody) -> str | None:
    if asked.output_config and asked.output_config.format:
        return schema_text(asked.output_config.format.schema, "output_config.format.schema")
    if asked.output_format:
        return schema_text(asked.output_format.schema, "output_format.schema")
    return None


def _tools(asked: CountBody) -> ToolUse:
    """Read the tools as OpenAI's, whose rules are the same, and name Anthropic's fields."""
    for index, tool in enumerate(asked.tools or ()):
        if tool.type not in (None, "custom"):
            raise InvalidRequest(
                f"tools[{index}].type = {tool.type!r}: only tools that the client runs can be used",
                "leave the tool out, or describe it with an input_schema",
                param=f"tools[{index}].type",
            )
    functions = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
            },
        }
        for tool in asked.tools or ()
    ]
    choice = asked.tool_choice
    sent: dict[str, Any] = {"tools": functions}
    if choice:
        sent["tool_choice"] = {"any": "required", "auto": "auto", "none": "none"}.get(choice.type)
        if choice.type == "tool":
            if choice.name is None:
                raise InvalidRequest("tool_choice.name is missing", param="tool_choice.name")
            sent["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
        sent["parallel_tool_calls"] = not choice.disable_parallel_tool_use
    try:
        return msgspec.convert(sent, SentTools).use()
    except InvalidRequest as error:
        raise InvalidRequest(
            _renamed(error.message), error.hint, _renamed(error.param or "tools")
        ) from error


def _renamed(text: str) -> str:
    return text.replace("function.parameters", "input_schema").replace("function.name", "name")
