"""Tools, calls and results as the values that a chat template reads.

Does not know templates; `ToolWay` says how one takes calls.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tierchat.tool_calls import Tool, ToolCall
from tierchat.types import Message

_SHORT_ID = 9
# Names that templates look for in a tool; they are no part of any control token.
_KEYWORDS = frozenset(
    "type function name description parameters properties required items enum const default title "
    "format examples additionalProperties anyOf oneOf allOf not if then else $ref $defs $schema "
    "$id definitions minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength "
    "maxLength pattern minItems maxItems uniqueItems prefixItems minProperties maxProperties "
    "patternProperties propertyNames nullable return response strict".split()
)
_TYPES = frozenset("function string number integer boolean object array null".split())
# What templates are tried out with.
PROBED = Tool(
    name="probe",
    description="",
    parameters='{"type":"object","properties":{"mark":{"type":"string","description":"a mark"}}}',
)
PROBED_ID = "call00000"
Hide = Callable[[str], str]


@dataclass(frozen=True)
class ToolWay:
    """How a template takes calls.

    Their arguments are objects or texts (`has_objects`); a turn holds one call or several
    (`is_single`); ids are as they are, or nine letters (`has_short_ids`), as Mistral's demand.
    Unless it `writes_calls`, calls are text of the assistant. Results are turns of their own, or
    stand in the turn of the calls (`has_results_in_calls`), as in the first template of Gemma 4.
    """

    has_objects: bool = True
    is_single: bool = False
    has_short_ids: bool = False
    writes_calls: bool = True
    has_results_in_calls: bool = False

    def id(self, id_: str) -> str:
        """Return the id of a call as the template takes it."""
        if not self.has_short_ids or (len(id_) == _SHORT_ID and id_.isalnum() and id_.isascii()):
            return id_
        return hashlib.blake2b(id_.encode("utf-8", "replace"), digest_size=8).hexdigest()[
            :_SHORT_ID
        ]

    def fields(self, message: Message, hide: Hide, names: dict[str, str]) -> dict[str, Any]:
        """Return what a message has beside role and content; `names` are the tools of calls."""
        found: dict[str, Any] = {}
        if message.tool_calls:
            found["tool_calls"] = [self._call(call, hide) for call in message.tool_calls]
        if message.role == "tool":
            if message.tool_call_id in names:
                found["name"] = hide(names[message.tool_call_id])
            found["tool_call_id"] = hide(self.id(message.tool_call_id))
        return found

    def result(self, message: Message, hide: Hide, names: dict[str, str]) -> dict[str, Any]:
        """Return a result as it stands in the turn of its call."""
        name = names.get(message.tool_call_id, message.tool_call_id)
        return {"name": hide(name), "response": _hidden(_read_or_text(message.content), hide)}

    def _call(self, call: ToolCall, hide: Hide) -> dict[str, Any]:
        arguments: Any = hide(call.arguments)
        if self.has_objects:
            arguments = _hidden(arguments_of(call), hide)
        function = {"name": hide(call.name), "arguments": arguments}
        return {"type": "function", "function": function, "id": hide(self.id(call.id))}


def arguments_of(call: ToolCall) -> Any:
    """Return the arguments of a call as an object, or the text that is no JSON."""
    return _read_or_text(call.arguments or "{}")


def _read_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def names_of(messages: Sequence[Message]) -> dict[str, str]:
    """Return the names of the tools that were called, by the ids of the calls."""
    return {call.id: call.name for message in messages for call in message.tool_calls}


def tool_values(tools: Sequence[Tool], hide: Hide, *, is_readable: bool) -> list[dict[str, Any]]:
    """Return tools as OpenAI and llama.cpp write them.

    Unless all of it `is_readable`, what templates look for is not hidden: keywords and types.
    """
    found = []
    for tool in tools:
        function = {
            "name": tool.name,
            "description": tool.description,
            "parameters": json.loads(tool.parameters),
        }
        value = {"type": "function", "function": function}
        found.append(_hidden(value, hide) if is_readable else _described(value, hide))
    return found


def texts_of(messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[str]:
    """Yield every text that comes from outside."""
    for message in messages:
        yield message.content
        yield message.tool_call_id
        for call in message.tool_calls:
            yield from (call.id, call.name, call.arguments)
            # Escapes in the JSON text are letters in the object.
            yield json.dumps(arguments_of(call), ensure_ascii=False)
    for tool in tools:
        yield from (tool.name, tool.description)
        yield json.dumps(json.loads(tool.parameters), ensure_ascii=False)


def single_calls(messages: Sequence[Message]) -> list[Message]:
    """Give every call a turn of its own, followed by its result."""
    found: list[Message] = []
    waiting = list(messages)
    while waiting:
        message = waiting.pop(0)
        if len(message.tool_calls) < 2:
            found.append(message)
            continue
        num = next((i for i, m in enumerate(waiting) if m.role != "tool"), len(waiting))
        results, waiting = waiting[:num], waiting[num:]
        for index, call in enumerate(message.tool_calls):
            content = "" if index else message.content
            found.append(msgspec.structs.replace(message, content=content, tool_calls=(call,)))
            found += [result for result in results if result.tool_call_id == call.id]
        ids = {call.id for call in message.tool_calls}
        found += [result for result in results if result.tool_call_id not in ids]
    return found


def with_results(messages: Sequence[Message]) -> Iterator[tuple[Message, list[Message]]]:
    """Yield each turn with its results: those of calls, which also get the answer after them."""
    waiting = list(messages)
    while waiting:
        message, results = waiting.pop(0), list[Message]()
        while message.tool_calls and waiting and waiting[0].role == "tool":
            results.append(waiting.pop(0))
        if results and waiting and waiting[0].role == "assistant" and not waiting[0].tool_calls:
            texts = (message.content, waiting.pop(0).content)
            content = "\n\n".join(filter(None, texts))
            message = msgspec.structs.replace(message, content=content)
        yield message, results


def _hidden(value: Any, hide: Hide) -> Any:
    match value:
        case str():
            return hide(value)
        case list():
            return [_hidden(item, hide) for item in value]
        case dict():
            return {hide(key): _hidden(item, hide) for key, item in value.items()}
    return value


def _described(value: Any, hide: Hide, key: str = "") -> Any:
    """Hide the texts of a tool or a part of its schema; `key` is where it stands."""
    match value:
        case str():
            return value if key == "type" and value in _TYPES else hide(value)
        case list():
            return [_described(item, hide, key) for item in value]
        case dict():
            return {
                name if name in _KEYWORDS else hide(name): _described(item, hide, name)
                for name, item in value.items()
            }
    return value
