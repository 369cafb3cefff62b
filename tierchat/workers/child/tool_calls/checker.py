"""Whether a call fits a tool: its name, and its arguments by their schema.

Does not know how calls are written. What a schema leaves no doubt about is put right: the text "2"
where a number belongs, a name in other capitals, an argument that is null instead of left out.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

from tierchat.gates.answer_schema import AnswerSchema
from tierchat.tool_calls import Tool, ToolCall
from tierchat.workers.child.tool_calls.fitting import fitted
from tierchat.workers.child.tool_calls.json_values import values
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

_MAX_SHOWN = 80
_SURROGATE = re.compile("[\ud800-\udfff]")


class CallChecker:
    """Checks the calls of one answer. Schemas are read when a call needs them."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._schemas: dict[str, AnswerSchema] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def checked(self, written: WrittenCall) -> ToolCall:
        """Return a call that fits its tool, with an id of its own; raises BrokenCall."""
        name = self._name(written.name)
        schema = self._schema(name)
        given = _object(name, written.arguments)
        text = _written(name, given)
        problem = schema.problem(text)
        # Texts between tags are of the type that the schema says.
        if problem or written.is_text:
            mended = _written(name, fitted(given, schema.schema))
            if not schema.problem(mended):
                text, problem = mended, None
        if problem:
            raise BrokenCall(f"the arguments of {name} do not fit: {problem}")
        # Half of a surrogate pair is no character.
        text = _SURROGATE.sub("\ufffd", text)
        return ToolCall(id=f"call_{secrets.token_hex(12)}", name=name, arguments=text)

    def _name(self, name: str) -> str:
        if name in self._tools:
            return name
        wanted = _plain(name)
        near = [known for known in self._tools if _plain(known) == wanted]
        if len(near) != 1:
            raise BrokenCall(f"there is no tool named {name[:_MAX_SHOWN]!r}")
        return near[0]

    def _schema(self, name: str) -> AnswerSchema:
        if name not in self._schemas:
            self._schemas[name] = AnswerSchema.of_text(self._tools[name].parameters)
        return self._schemas[name]


def _plain(name: str) -> str:
    """Return a name without its namespace, capitals and the marks between its words."""
    return name.removeprefix("functions.").replace("-", "_").replace(" ", "_").casefold()


def _written(name: str, arguments: dict[str, Any]) -> str:
    try:
        return json.dumps(arguments, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        # Python's sets and bytes, or a number of thousands of digits.
        raise BrokenCall(f"the arguments of {name} are no JSON") from error


def _object(name: str, arguments: Any) -> dict[str, Any]:
    if isinstance(arguments, str):
        try:
            found = values(arguments)
        except ValueError as error:
            raise BrokenCall(f"the arguments of {name} cannot be read: {error}") from error
        arguments = found[0] if found else arguments.strip() or None
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise BrokenCall(f"the arguments of {name} are no object")
    return arguments
