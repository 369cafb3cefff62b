"""JSON as small models write it: values read from text that may have small faults.

Does not know calls. Faults that are mended leave no doubt about what was meant: a bracket that is
missing at the end, a comma too much, Python's names and quotes, a line break within a text.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

_CLOSING = {"{": "}", "[": "]"}
_EXTRA_COMMA = re.compile(r",(\s*[}\]])")
_BETWEEN = re.compile(r"[\s,;]*")
_NAMES = {"true": True, "false": False, "null": None}
_MAX_MISSING = 3
_MAX_DEPTH = 100


def values(text: str, *, is_whole: bool = True) -> list[Any]:
    """Return the objects and arrays at the start of a text, one behind the other.

    Of a text that is not whole, what is open at the end is left out. Raises ValueError that says
    what cannot be read.
    """
    found: list[Any] = []
    text = text.strip()
    while text[:1] in ("{", "["):
        end, missing = extent(text)
        if end is None and not (is_whole and len(missing) <= _MAX_MISSING):
            if found and not is_whole:
                return found
            raise ValueError("it ends in the middle")
        found.append(_value(text[:end] if end else text + missing))
        text = _BETWEEN.sub("", text[end:], count=1) if end else ""
    return found


def extent(text: str) -> tuple[int | None, str]:
    """Return where the value at the start of a text ends; None and the missing brackets if open."""
    scan = Scan()
    return scan.end(text), scan.missing


class Scan:
    """Looks for the end of a value while its text grows; each letter is looked at once."""

    def __init__(self) -> None:
        self._at = 0
        self._waiting: list[str] = []
        self._quote = ""
        self._is_escaped = False
        self._is_wrong = False
        self._before = ""

    def end(self, text: str) -> int | None:
        """Return where the value ends that a text begins with, None while it is open."""
        for index in range(self._at, len(text)):
            if self._is_last(text[index]):
                return index + 1
        self._at = len(text)
        return None

    @property
    def missing(self) -> str:
        """The brackets that close the value; unknown ones within a text, or where one is wrong."""
        if self._quote or self._is_wrong:
            return "?" * (_MAX_MISSING + 1)
        return "".join(reversed(self._waiting))

    def _is_last(self, letter: str) -> bool:
        if self._quote:
            if self._is_escaped:
                self._is_escaped = False
            elif letter == "\\":
                self._is_escaped = True
            elif letter == self._quote:
                self._quote = ""
            return False
        # A single quote behind these opens a text, as in Python, and is no apostrophe.
        if letter == '"' or (letter == "'" and self._before in "{[,:("):
            self._quote = letter
        elif letter in _CLOSING:
            self._waiting.append(_CLOSING[letter])
            self._is_wrong |= len(self._waiting) > _MAX_DEPTH
        elif letter in "}]" and self._waiting:
            # One that closes an outer bracket: those within are missing.
            self._is_wrong |= letter != self._waiting[-1]
            if not self._is_wrong:
                self._waiting.pop()
                return not self._waiting
        if not letter.isspace():
            self._before = letter
        return False


def value_of(text: str) -> Any:
    """Read a text that is one value, such as a number; raises ValueError."""
    return json.loads(text, strict=False)


def _value(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except ValueError as error:
        problem = error
    try:
        return json.loads(_EXTRA_COMMA.sub(r"\1", text), strict=False)
    except ValueError:
        pass
    try:
        tree = ast.parse(text, mode="eval")
        return ast.literal_eval(_Names().visit(tree))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"it is no JSON: {problem}") from problem


class _Names(ast.NodeTransformer):
    """Puts Python's values in place of the names that JSON has for them."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in _NAMES:
            return ast.copy_location(ast.Constant(_NAMES[node.id]), node)
        return node
