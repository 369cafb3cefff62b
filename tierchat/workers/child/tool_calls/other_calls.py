"""Calls written in ways of their own: Gemma's call:name{...}, and Python as LFM2 writes it.

Does not know what stands around the calls.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

_GEMMA = re.compile(r"call:(?P<name>[\w.:/-]+?)\s*(?=\{)")
_QUOTES = ('<|"|>', "<escape>")
_BARE = re.compile(r"[^,}\]]*")
_KEY = re.compile(r"(?P<key>[^:{}\[\],]++):\s*")
_BLANK = re.compile(r"[\s,]*")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}


def gemma_calls(text: str) -> list[WrittenCall]:
    """Return calls such as call:weather{city:<|"|>Bonn<|"|>,days:2}; raises BrokenCall."""
    calls = []
    at = 0
    while found := _GEMMA.search(text, at):
        arguments, at = _Gemma(text).value(found.end())
        calls.append(WrittenCall(found["name"], arguments))
    if not calls:
        raise BrokenCall("it names no tool")
    return calls


def python_calls(text: str) -> list[WrittenCall]:
    """Return calls such as [weather(city="Bonn", days=2)]; raises BrokenCall."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise BrokenCall("it is no call") from error
    nodes = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
    return [_python_call(node) for node in nodes]


def _python_call(node: ast.expr) -> WrittenCall:
    if not isinstance(node, ast.Call) or node.args:
        raise BrokenCall("its arguments have no names")
    arguments = {}
    for keyword in node.keywords:
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, MemoryError, RecursionError) as error:
            raise BrokenCall(f"its argument {keyword.arg} is no value") from error
        arguments[keyword.arg or ""] = value
    # Llama's builtin tools: brave_search.call(query="...")
    return WrittenCall(ast.unparse(node.func).removesuffix(".call"), arguments)


class _Gemma:
    """Reads Gemma's values: texts between marks of their own, keys without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, at: int) -> tuple[Any, int]:
        """Return the value that begins at a place, and where it ends; raises BrokenCall."""
        at = _BLANK.match(self._text, at).end()  # type: ignore[union-attr]
        for quote in _QUOTES:
            if self._text.startswith(quote, at):
                end = self._text.find(quote, at + len(quote))
                if end < 0:
                    raise BrokenCall("it ends in the middle")
                return self._text[at + len(quote) : end], end + len(quote)
        match self._text[at : at + 1]:
            case "{":
                return self._object(at + 1)
            case "[":
                return self._array(at + 1)
        found = _BARE.match(self._text, at)
        assert found is not None
        return _bare(found[0].strip()), found.end()

    def _object(self, at: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        while True:
            at = self._next(at)
            if self._text[at] == "}":
                return members, at + 1
            key = _KEY.match(self._text, at)
            if not key:
                raise BrokenCall("an argument has no name")
            name = key["key"].strip().strip("\"'")
            for quote in _QUOTES:
                name = name.removeprefix(quote).removesuffix(quote)
            members[name], at = self.value(key.end())

    def _array(self, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        while True:
            at = self._next(at)
            if self._text[at] == "]":
                return items, at + 1
            item, at = self.value(at)
            items.append(item)

    def _next(self, at: int) -> int:
        at = _BLANK.match(self._text, at).end()  # type: ignore[union-attr]
        if at >= len(self._text):
            raise BrokenCall("it ends in the middle")
        return at


def _bare(text: str) -> Any:
    if text.casefold() in _WORDS:
        return _WORDS[text.casefold()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text.strip("\"'")
