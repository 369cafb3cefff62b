"""Tools, their choice and their calls in OpenAI's JSON, read, checked and written.

Does not know what tools do, nor how a model writes a call. Shapes follow
https://platform.openai.com/docs/guides/function-calling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from tierchat.errors import InvalidRequest, SchemaRefused, did_you_mean
from tierchat.events import ToolCallDelta
from tierchat.tool_calls import (
    MAX_PARAMETERS_CHARS,
    MAX_TOOLS,
    Tool,
    ToolCall,
    ToolChoice,
    ToolName,
    ToolUse,
)
from tierchat.types import Message

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


class _Function(msgspec.Struct):
    """OpenAI's `strict` changes nothing here: all arguments are checked against their schema."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    type: Literal["function"]
    function: _Function


class _Named(msgspec.Struct):
    name: ToolName


class _Choice(msgspec.Struct):
    type: Literal["function"]
    function: _Named


class _CalledFunction(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    # OpenAI has a text; Ollama's clients send the object itself.
    arguments: str | dict[str, Any] = "{}"


class SentCall(msgspec.Struct):
    """A call in a message of the assistant."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    function: _CalledFunction
    type: Literal["function"] = "function"

    def call(self) -> ToolCall:
        arguments = self.function.arguments
        if not isinstance(arguments, str):
            arguments = _text(arguments)
        return ToolCall(id=self.id, name=self.function.name, arguments=arguments)


class _FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class SentCallDelta(msgspec.Struct):
    """A piece of a call in a chunk of a stream."""

    index: int = 0
    id: str | None = None
    function: _FunctionDelta | None = None

    def event(self) -> ToolCallDelta:
        function = self.function or _FunctionDelta()
        return ToolCallDelta(
            index=self.index,
            id=self.id or "",
            name=function.name or "",
            arguments=function.arguments or "",
        )


class SentTools(msgspec.Struct):
    """The fields of a request that are about tools."""

    tools: Annotated[list[_Tool], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | _Choice | None = None
    parallel_tool_calls: bool | None = None

    def use(self) -> ToolUse:
        """Check them; raises InvalidRequest that names what is wrong."""
        tools = tuple(_tool(index, sent.function) for index, sent in enumerate(self.tools or ()))
        names = [tool.name for tool in tools]
        twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
        if twice is not None:
            at = len(names) - 1 - names[::-1].index(twice)
            raise InvalidRequest(
                f"tools[{at}].function.name = {twice!r} is there twice",
                "give every tool a name of its own",
                param=f"tools[{at}].function.name",
            )
        choice, name = _chosen(self.tool_choice, names)
        is_parallel = self.parallel_tool_calls is not False
        return ToolUse(tools=tools, choice=choice, name=name, is_parallel=is_parallel)


def check_results(messages: Sequence[Message]) -> None:
    """Refuse calls and results that do not belong together; raises InvalidRequest naming them."""
    known: set[str] = set()
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        if message.tool_calls and message.role != "assistant":
            raise InvalidRequest(
                f"{place}.tool_calls: only the assistant calls tools, this is of {message.role}",
                "leave the field out",
                param=f"{place}.tool_calls",
            )
        known |= {call.id for call in message.tool_calls}
        if message.role != "tool":
            continue
        if not message.tool_call_id:
            raise InvalidRequest(
                f"{place}.tool_call_id is missing",
                "name the call that this is the result of",
                param=f"{place}.tool_call_id",
            )
        if message.tool_call_id not in known:
            raise InvalidRequest(
                f"{place}.tool_call_id = {message.tool_call_id[:80]!r}: no earlier message calls "
                "a tool with this id",
                did_you_mean(message.tool_call_id, known, "send the assistant's message, too"),
                param=f"{place}.tool_call_id",
            )
    if messages and messages[-1].tool_calls:
        place = f"messages[{len(messages) - 1}].tool_calls"
        raise InvalidRequest(
            f"{place}: the results of these calls are missing",
            "send a message of the role tool for each call",
            param=place,
        )


def written_message(message: Message) -> dict[str, Any]:
    """Write a message as OpenAI does."""
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [written_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        written["tool_call_id"] = message.tool_call_id
    return written


def written_call(call: ToolCall) -> dict[str, Any]:
    """Write a call as it stands in a message."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def written_call_delta(event: ToolCallDelta) -> dict[str, Any]:
    """Write a piece of a call: its id and name come with the first piece alone."""
    if not event.name:
        return {"index": event.index, "function": {"arguments": event.arguments}}
    function = {"name": event.name, "arguments": event.arguments}
    return {"index": event.index, "id": event.id, "type": "function", "function": function}


def written_tools(use: ToolUse) -> dict[str, Any]:
    """Write the fields of a request that are about tools; none without tools."""
    if not use.tools:
        return {}
    named = {"type": "function", "function": {"name": use.name}}
    return {
        "tools": [{"type": "function", "function": _function(tool)} for tool in use.tools],
        "tool_choice": named if use.name else use.choice,
        "parallel_tool_calls": use.is_parallel,
    }


def _function(tool: Tool) -> dict[str, Any]:
    parameters = msgspec.json.decode(tool.parameters)
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def _tool(index: int, sent: _Function) -> Tool:
    place = f"tools[{index}].function.parameters"
    schema = sent.parameters or _NO_PARAMETERS
    text = _text(schema)
    if len(text) > MAX_PARAMETERS_CHARS:
        raise InvalidRequest(
            f"{place} has {len(text):,} characters, more than {MAX_PARAMETERS_CHARS:,}",
            "shorten it, with $defs for what comes twice",
            param=place,
        )
    if schema.get("type", "object") != "object":
        raise InvalidRequest(
            f"{place}.type = {str(schema['type'])[:80]!r}: arguments are an object",
            'write "type": "object" and the arguments as its "properties"',
            param=place,
        )
    _refuse_bad_schema(text, place)
    return Tool(name=sent.name, description=sent.description or "", parameters=text)


def _refuse_bad_schema(text: str, place: str) -> None:
    # Only requests with tools need the checker of schemas.
    from tierchat.gates.answer_schema import AnswerSchema

    try:
        AnswerSchema.of_text(text)
    except SchemaRefused as error:
        raise InvalidRequest(f"{place}: {error.message}", error.hint, param=place) from error


def _chosen(sent: ToolChoice | _Choice | None, names: Sequence[str]) -> tuple[ToolChoice, str]:
    if not isinstance(sent, _Choice):
        if sent == "required" and not names:
            raise InvalidRequest(
                "tool_choice = 'required', but there are no tools",
                "send tools, or leave the field out",
                param="tool_choice",
            )
        return sent or "auto", ""
    name = sent.function.name
    if name not in names:
        known = f"the tools: {', '.join(names)}" if names else "send tools"
        raise InvalidRequest(
            f"tool_choice.function.name = {name!r}: there is no such tool",
            did_you_mean(name, names, known),
            param="tool_choice.function.name",
        )
    return "required", name


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
