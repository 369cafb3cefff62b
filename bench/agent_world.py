"""The world of a scripted agent: files, tables and a calculator in memory, and tools to use them.

Does not know models or tasks. Nothing outside of the process is read or changed.
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tierchat.tool_calls import Tool, ToolUse

TODAY = "2026-03-14"
_OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_MAX_POWER = 64


class ToolFailed(Exception):
    """What a tool says where it cannot do what it was asked for."""


@dataclass
class World:
    """Files by path, and tables of values by key. The tools change the files alone."""

    files: dict[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def call(self, name: str, arguments: str) -> str:
        """Run one call of a tool; a failure is a result that begins with `Error:`."""
        try:
            return str(_TOOLS[name].run(self, **json.loads(arguments)))
        except ToolFailed as error:
            return f"Error: {error}"
        except KeyError:
            return f"Error: no tool named {name}"
        except (TypeError, ValueError) as error:
            return f"Error: {error}"

    def list_files(self) -> str:
        return "\n".join(sorted(self.files)) or "(no files)"

    def read_file(self, path: str) -> str:
        if path not in self.files:
            raise ToolFailed(f"no such file: {path}")
        return self.files[path]

    def write_file(self, path: str, content: str) -> str:
        self.files[path] = content
        return f"wrote {path}"

    def delete_file(self, path: str) -> str:
        if path not in self.files:
            raise ToolFailed(f"no such file: {path}")
        del self.files[path]
        return f"deleted {path}"

    def search_files(self, text: str) -> str:
        found = [
            f"{path}: {line}"
            for path, content in sorted(self.files.items())
            for line in content.splitlines()
            if text.casefold() in line.casefold()
        ]
        return "\n".join(found) or "nothing found"

    def calculate(self, expression: str) -> str:
        try:
            value = _value(ast.parse(expression, mode="eval").body)
        except (SyntaxError, ZeroDivisionError, OverflowError) as error:
            raise ToolFailed(f"cannot calculate {expression}: {error}") from error
        return f"{value:.10g}" if isinstance(value, float) else str(value)

    def look_up(self, table: str, key: str) -> str:
        if table not in self.tables:
            raise ToolFailed(f"no table {table}; there are {', '.join(self.tables)}")
        rows = {name.casefold(): value for name, value in self.tables[table].items()}
        if key.casefold() not in rows:
            raise ToolFailed(f"no row {key} in {table}; the rows are {', '.join(rows)}")
        return rows[key.casefold()]

    def today(self) -> str:
        return TODAY


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp() if type(node.op) in _OPERATORS:
            left, right = _value(node.left), _value(node.right)
            if isinstance(node.op, ast.Pow) and abs(right) > _MAX_POWER:
                raise ToolFailed("the power is too large")
            return _OPERATORS[type(node.op)](left, right)
        case ast.UnaryOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_value(node.operand))
    raise ToolFailed("only numbers and + - * / // % ** ( ) can be calculated")


@dataclass(frozen=True)
class _WorldTool:
    run: Callable[..., str]
    description: str
    parameters: tuple[str, ...] = ()


_TOOLS = {
    "list_files": _WorldTool(World.list_files, "The paths of all files."),
    "read_file": _WorldTool(World.read_file, "The content of a file.", ("path",)),
    "write_file": _WorldTool(
        World.write_file, "Create a file or replace its whole content.", ("path", "content")
    ),
    "delete_file": _WorldTool(World.delete_file, "Delete a file.", ("path",)),
    "search_files": _WorldTool(
        World.search_files, "All lines of all files that contain a text.", ("text",)
    ),
    "calculate": _WorldTool(
        World.calculate, "The value of an arithmetic expression, such as 3*(4+5).", ("expression",)
    ),
    "look_up": _WorldTool(World.look_up, "The row of a table for a key.", ("table", "key")),
    "today": _WorldTool(World.today, "Today's date as YYYY-MM-DD."),
}


def _schema(parameters: tuple[str, ...]) -> str:
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in parameters},
        "required": list(parameters),
        "additionalProperties": False,
    }
    return json.dumps(schema)


def tool_use() -> ToolUse:
    """Describe the tools of the world to a model, which calls one at a time."""
    return ToolUse(
        is_parallel=False,
        tools=tuple(
            Tool(name=name, description=tool.description, parameters=_schema(tool.parameters))
            for name, tool in _TOOLS.items()
        ),
    )
