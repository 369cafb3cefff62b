"""Tools, calls and results as plain text, for chat templates that do not know them.

Does not know templates. Most models that were taught to call tools at all were taught this form:
https://github.com/NousResearch/Hermes-Function-Calling.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from tierchat.engine.template_tools.values import arguments_of
from tierchat.tool_calls import Tool
from tierchat.types import Message

CALL_OPENS, CALL_CLOSES = "<tool_call>\n", "\n</tool_call>"
_ABOUT = """\
# Tools

You can call these functions:
<tools>
{tools}
</tools>

To call one, write this and nothing else, once for each call:
<tool_call>
{{"name": "the function", "arguments": {{"an argument": "its value"}}}}
</tool_call>
You get the results in the next message. If no function helps, answer without one."""


def as_text(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """Write a conversation with tools as one without; tools go to the end of the system text."""
    written: list[Message] = []
    results: list[str] = []
    for message in messages:
        if message.role == "tool":
            results.append(f"<tool_response>\n{message.content}\n</tool_response>")
            continue
        written += _results(results)
        results = []
        written.append(with_calls_as_text(message))
    written += _results(results)
    if not tools:
        return written
    about = _ABOUT.format(tools="\n".join(map(_tool, tools)))
    if written and written[0].role == "system":
        about = f"{written.pop(0).content}\n\n{about}"
    return [Message(role="system", content=about), *written]


def with_calls_as_text(message: Message) -> Message:
    """Write the calls of a message behind its content."""
    calls = [_call(call.name, arguments_of(call)) for call in message.tool_calls]
    content = "\n".join(filter(None, (message.content, *calls)))
    return msgspec.structs.replace(message, content=content, tool_calls=())


def _call(name: str, arguments: object) -> str:
    call = {"name": name, "arguments": arguments}
    return f"{CALL_OPENS}{json.dumps(call, ensure_ascii=False)}{CALL_CLOSES}"


def _results(texts: Sequence[str]) -> list[Message]:
    return [Message(role="user", content="\n".join(texts))] if texts else []


def _tool(tool: Tool) -> str:
    value = {
        "name": tool.name,
        "description": tool.description,
        "parameters": json.loads(tool.parameters),
    }
    return json.dumps(value, ensure_ascii=False)
