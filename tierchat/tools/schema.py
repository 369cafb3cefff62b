"""The JSON schema of a Python function, from its signature and docstring.

Does not run the function. Types are what msgspec reads: numbers, texts, lists, literals, structs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tierchat.errors import UsageError
from tierchat.tool_calls import Tool
from tierchat.tools.failure import ToolFailed

_HINT = "a tool takes named arguments with types that JSON has, such as str, int, list[str]"
_ARGUMENTS = re.compile(r"^\s*(?:Args|Arguments|Parameters):\s*$", re.MULTILINE)
_ARGUMENT = re.compile(r"^\s+(\w+)(?:\s*\([^)]*\))?:\s*(.+)$")


class Signature:
    """What a function takes, as a schema and as a check of given arguments."""

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        """Raises UsageError for a function that cannot be a tool."""
        self._name = name or function.__name__
        self._said, about = _described(inspect.getdoc(function) or "")
        fields: list[Any] = []
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            fields.append(_field(self._name, parameter, about))
        self._struct = msgspec.defstruct(
            self._name, fields, kw_only=True, forbid_unknown_fields=True
        )

    def tool(self) -> Tool:
        """Return the function as a request describes it."""
        schema = _inlined(msgspec.json.schema(self._struct))
        text = msgspec.json.encode(schema).decode()
        return Tool(name=self._name, description=self._said, parameters=text)

    def arguments(self, text: str) -> dict[str, Any]:
        """Read arguments from JSON; raises ToolFailed that says which one is wrong."""
        try:
            given = msgspec.json.decode(text, type=self._struct, strict=False)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ToolFailed(f"the arguments of {self._name} are wrong: {error}") from error
        return {field: getattr(given, field) for field in self._struct.__struct_fields__}


def _described(docstring: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into what it says of the function, and of each argument."""
    head, *rest = _ARGUMENTS.split(docstring, maxsplit=1)
    about: dict[str, str] = {}
    name = ""
    for line in "".join(rest).splitlines():
        if found := _ARGUMENT.match(line):
            name, about[found[1]] = found[1], found[2].strip()
        elif name and line.strip() and line.startswith(" "):
            about[name] += f" {line.strip()}"
        elif line.strip():
            break
    return " ".join(head.split()), about


def _field(tool: str, parameter: inspect.Parameter, about: Mapping[str, str]) -> Any:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if parameter.kind not in named or parameter.annotation is inspect.Parameter.empty:
        raise UsageError(f"{tool}: the argument {parameter.name} has no type", _HINT)
    kind = parameter.annotation
    if said := about.get(parameter.name):
        from typing import Annotated

        kind = Annotated[kind, msgspec.Meta(description=said)]
    if parameter.default is inspect.Parameter.empty:
        return (parameter.name, kind)
    return (parameter.name, kind, parameter.default)


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put the schema of the arguments where msgspec refers to it."""
    definitions = schema.get("$defs", {})
    own = dict(definitions.pop(schema["$ref"].rpartition("/")[2]))
    del own["title"]
    own.pop("additionalProperties", None)
    own.setdefault("properties", {})
    return {**own, **({"$defs": definitions} if definitions else {})}
