"""Calls written as JSON: Hermes, Qwen, Llama, Mistral, Phi, Granite, Command, Nemotron and others.

Does not know what stands around the JSON.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tierchat.workers.child.tool_calls.json_values import values
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

# How models name a tool and its arguments, the usual words first.
NAMES = ("name", "tool_name", "function_name", "tool", "recipient_name", "function", "action")
ARGUMENTS = ("arguments", "parameters", "args", "params", "input", "action_input", "kwargs")
AROUND = ("function", "tool_calls", "tool_call", "function_call", "calls")
# These may stand beside a name and are no arguments.
_BESIDE = ("type", "id", "tool_call_id", "call_id")


def json_calls(text: str, known: Collection[str], *, is_whole: bool = True) -> list[WrittenCall]:
    """Return the calls in a text of JSON values; raises BrokenCall."""
    try:
        found = values(text, is_whole=is_whole)
    except ValueError as error:
        raise BrokenCall(str(error)) from error
    calls = [call for value in found for call in _calls(value, known)]
    if not calls:
        raise BrokenCall("it names no tool")
    return calls


def _calls(value: Any, known: Collection[str]) -> list[WrittenCall]:
    if isinstance(value, list):
        return [call for item in value for call in _calls(item, known)]
    if not isinstance(value, dict):
        raise BrokenCall("it is no object with a name and arguments")
    inner = next((value[key] for key in AROUND if isinstance(value.get(key), dict | list)), None)
    if inner is not None and not isinstance(value.get("name"), str):
        return _calls(inner, known)
    key = next((key for key in NAMES if isinstance(value.get(key), str)), None)
    if key is None:
        return [_by_its_key(value, known)]
    name = value[key]
    given = next((word for word in ARGUMENTS if word in value and word != key), None)
    if given is not None:
        return [WrittenCall(name, value[given])]
    # {"name": "weather", "city": "Bonn"}
    rest = {word: item for word, item in value.items() if word != key and word not in _BESIDE}
    return [WrittenCall(name, rest)]


def _by_its_key(value: dict[str, Any], known: Collection[str]) -> WrittenCall:
    """Read {"weather": {"city": "Bonn"}}."""
    if len(value) == 1:
        ((name, arguments),) = value.items()
        if name in known and isinstance(arguments, dict):
            return WrittenCall(name, arguments)
    raise BrokenCall("it names no tool")
