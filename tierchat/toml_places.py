"""Turns a validation error into a line of a TOML file and the nearest known key.

Knows neither settings nor catalogues; it reads msgspec's messages and the text.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from typing import Any

import msgspec

_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]|(\[\.\.\.\])")
_ANY_KEY = "*"


def explain(error: str, text: str, data: Any, kind: type) -> tuple[str, str]:
    """Return (`, line N: what`, hint) for msgspec's message about `data`, read from `text`."""
    message, _, place = error.partition(" - at `$")
    steps = _with_keys(_steps(place.rstrip("`")), data, kind)
    unknown = re.search(r"unknown field `(.+?)`", message)
    if not unknown:
        what = f"{'.'.join(map(str, steps))}: {message}" if steps else message
        return f", line {_line(text, steps)}: {what}", "correct that value"
    key = unknown[1]
    known = _fields_at(kind, steps)
    near = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}"
    return f", line {_line(text, [*steps, key])}: unknown key `{key}`", hint


def find_line(text: str, table: tuple[str, ...], value: str) -> int:
    """Return the line where `value` stands in quotes below a header naming `table`, else 1."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = all(part in line for part in table)
        elif inside and (f'"{value}"' in line or f"'{value}'" in line):
            return number
    return 1


def _steps(place: str) -> list[str | int]:
    found = _STEP.findall(place)
    return [
        _ANY_KEY if anything else int(index) if index else name for name, index, anything in found
    ]


def _with_keys(steps: list[str | int], data: Any, kind: Any) -> list[str | int]:
    """Name the dictionary keys that msgspec leaves out, by trying each of them."""
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


def _line(text: str, steps: list[str | int]) -> int:
    """Find the line a path points at, as far as it can be followed; 1 when it cannot."""
    names = [step for step in steps if isinstance(step, str)]
    indexes = [step for step in steps if isinstance(step, int)]
    best, header_depth, nth = 1, 0, -1
    wanted_nth = indexes[0] if indexes else None
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split("#")[0].strip()
        if bare.startswith("["):
            parts = [part.strip(" \"'") for part in bare.strip("[] ").split(".")]
            header_depth = len(parts) if parts == names[: len(parts)] else 0
            if bare.startswith("[[") and header_depth:
                nth += 1
                header_depth = header_depth if wanted_nth in (None, nth) else 0
            if header_depth:
                best = number
            continue
        key = bare.split("=")[0].strip(" \"'")
        if names[header_depth : header_depth + 1] == [key]:
            best = number
            if header_depth + 1 == len(names):
                return number
    return best


def _fields_at(kind: Any, steps: list[str | int]) -> list[str]:
    """List the keys a path's struct knows, following structs, dicts and tuples."""
    for step in steps:
        kind = _inside(kind, step)
    kind = _plain(kind)
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return list(kind.__struct_fields__) if is_struct else []


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
