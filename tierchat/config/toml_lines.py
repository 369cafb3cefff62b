"""Turns a validation error into a line of a TOML file and the nearest known key.

Does not know settings or catalogues; it reads msgspec's messages and the text.
"""

from __future__ import annotations

import bisect
import re
import tomllib
import types
import typing
from collections.abc import Sequence
from typing import Any

import msgspec

from tierchat.config.expected import corrected
from tierchat.errors import did_you_mean

_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]|(\[\.\.\.\])")
_ANY_KEY = "*"
_MAX_LINES_SEARCHED = 200


def explain(error: str, text: str, data: Any, kind: type) -> tuple[str, str]:
    """Return (`, line N: what`, hint) for msgspec's message about `data`, read from `text`."""
    message, _, path = error.partition(" - at `$")
    steps = _with_keys(_steps(path.rstrip("`")), data, kind)
    unknown = re.search(r"unknown field `(.+?)`$", message, re.DOTALL)
    if unknown:
        key = unknown[1]
        where = f", line {find_line(text, [*steps, key])}"
        return f"{where}: unknown key `{key}`", _hint(key, _fields_at(kind, steps), "known keys")
    found, where = _value_at(data, steps), ".".join(map(str, steps))
    message = corrected(message, kind, [str(step) for step in steps])
    is_scalar = isinstance(found, str | int | float)
    what = f"{where} is {found!r:.60}: {message}" if is_scalar else f"{where}: {message}"
    choices = _choices(kind, steps)
    hint = _hint(str(found), choices, "one of") if choices else "correct that value"
    return f", line {find_line(text, steps)}: {what}", hint


def find_line(text: str, steps: Sequence[str | int]) -> int:
    """Return the line where the value at `steps` begins; without that value, its nearest parent.

    `text` is valid TOML. The parser is asked whether the first lines of the text already contain
    the value, so quoted names, dotted names and strings over many lines need no rules here.
    """
    lines = text.split("\n")
    whole = tomllib.loads(text)
    steps = next(s for n in range(len(steps), -1, -1) if _is_there(whole, s := steps[:n]))
    ends = _statement_ends(lines)

    def holds(end: int, ending: str = "") -> bool:
        return _is_there(_parse("\n".join(lines[:end]) + ending) or {}, steps)

    index = bisect.bisect_left(ends, True, key=holds)
    if not steps or index == len(ends):
        return 1
    first = ends[index - 1] + 1 if index else 1
    # An array over many lines, closed early, shows which of its lines contains the value.
    inside = range(first, min(ends[index], first + _MAX_LINES_SEARCHED))
    return next((line for line in inside if holds(line, "\n]")), first)


def _statement_ends(lines: list[str]) -> list[int]:
    """Return the number of the last line of every statement."""
    ends, first = [], 0
    for end in range(1, len(lines) + 1):
        if _parse("\n".join(lines[first:end])) is not None:
            ends.append(end)
            first = end
    return ends


def find_refused_line(text: str, refusal: type[Exception]) -> int:
    """Return the line at which the TOML parser raises `refusal` instead of a syntax error."""
    lines = text.split("\n")

    def is_refused(num_lines: int) -> bool:
        try:
            tomllib.loads("\n".join(lines[:num_lines]))
        except tomllib.TOMLDecodeError:
            return False
        except refusal:
            return True
        return False

    return min(bisect.bisect_left(range(1, len(lines) + 1), True, key=is_refused) + 1, len(lines))


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _is_there(data: Any, steps: Sequence[str | int]) -> bool:
    for step in steps:
        if isinstance(step, int) and isinstance(data, list):
            if step >= len(data):
                return False
        elif not isinstance(data, dict) or step not in data:
            return False
        data = data[step]
    return True


def _value_at(data: Any, steps: Sequence[str | int]) -> Any:
    for step in steps if _is_there(data, steps) else ():
        data = data[step]
    return data


def _hint(written: str, known: Sequence[str], title: str) -> str:
    return did_you_mean(written, known, f"{title}: {', '.join(known)}")


def _steps(path: str) -> list[str | int]:
    matches = _STEP.findall(path)
    return [
        _ANY_KEY if anything else int(index) if index else name for name, index, anything in matches
    ]


def _with_keys(steps: list[str | int], data: Any, kind: Any) -> list[str | int]:
    """Fill in the dictionary keys that msgspec leaves out, by trying each of them."""
    named: list[str | int] = []
    for step in steps:
        if step == _ANY_KEY and isinstance(data, dict):
            step = next((key for key in data if not _fits(data[key], _inside(kind, step))), step)
        named.append(step)
        kind = _inside(kind, step)
        is_there = isinstance(data, dict | list) and (isinstance(step, int) or step in data)
        data = data[step] if is_there else None
    return named


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _fields_at(kind: Any, steps: list[str | int]) -> list[str]:
    """Return the keys that the struct at `steps` has, through structs, dicts and tuples."""
    for step in steps:
        kind = _inside(kind, step)
    kind = _plain(kind)
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return list(kind.__struct_fields__) if is_struct else []


def _choices(kind: Any, steps: Sequence[str | int]) -> list[str]:
    """Return the values allowed at `steps`, when they are a Literal."""
    for step in steps:
        kind = _inside(kind, step)
    kind = _plain(kind)
    is_literal = typing.get_origin(kind) is typing.Literal
    return list(map(str, typing.get_args(kind))) if is_literal else []


def _inside(kind: Any, step: str | int) -> Any:
    kind = _plain(kind)
    arguments = typing.get_args(kind)
    if arguments:
        # dict[str, X] and tuple[X, ...] lead to X.
        return arguments[1] if typing.get_origin(kind) is dict else arguments[0]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(step, str):
        return typing.get_type_hints(kind, include_extras=True).get(step, object)
    return object


def _plain(kind: Any) -> Any:
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _plain(next(a for a in typing.get_args(kind) if a is not type(None)))
    return kind
