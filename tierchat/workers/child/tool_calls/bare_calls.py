"""Whether JSON in an answer, bare or in a fence, is a call: judged while it is written.

Llama's models write calls so, and Qwen2.5-Coder does where it should use tags. Does not know what
comes before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from tierchat.workers.child.tool_calls.json_calls import ARGUMENTS, AROUND, NAMES
from tierchat.workers.child.tool_calls.json_values import Scan

_START = re.compile(r"^[ \t]*+(?=```|`{1,2}\Z|\{|\[\s*(?:\{|\Z))", re.MULTILINE)
_FENCES = ("", "json", "jsonc", "json5", "tool_call", "tool_code", "xml", "python", "text")
_FENCE = re.compile(r"```[ \t]*(?P<name>\w*)[ \t]*\n")
_OPENING = re.compile(r"\s*(?:\[\s*)?(?:\{\s*)?")
_KEY = re.compile(r"[\"'](?P<key>[^\"'\n]*)(?P<end>[\"'])?")
_NAME = re.compile(
    rf"[\"'](?:{'|'.join(NAMES)})[\"']\s*:\s*[\"'](?P<name>[^\"'\n]*)[\"']",
)
# A name that is not closed and longer than any tool's.
_LONG_NAME = re.compile(rf"\s*[\"'](?:{'|'.join(NAMES)})[\"']\s*:\s*[\"'][^\"'\n]{{129}}")
_NEXT = re.compile(r"\s*(?:,\s*(?:[\"'](?P<key>[^\"'\n]*)(?P<end>[\"'])?)?)?")
_TYPE = re.compile(r"[\"']type[\"']\s*:\s*[\"']([^\"'\n]*)[\"']")
_OTHER_KEYS = ("type", "id")


def start_of(text: str, *, is_line: bool) -> int | None:
    """Return where JSON or a fence begins at the start of a line, None if nowhere.

    `is_line` says whether the text itself begins at one.
    """
    starts = (found.start() for found in _START.finditer(text))
    return next((start for start in starts if start or is_line), None)


def is_call(text: str, known: Collection[str], opens: Collection[str]) -> bool | None:
    """Whether a text that begins at a bracket or a fence is a call; None if that is open yet.

    `opens` are the marks that a fence may be put around.
    """
    text = text.lstrip()
    inner = without_fence(text)
    if inner is None:
        return None if _may_be_fence(text) else False
    if inner is not text and any(mark.startswith(inner.strip()) for mark in opens):
        return None
    opening = _OPENING.match(inner)
    assert opening is not None
    rest = inner[opening.end() :]
    if "{" not in opening[0]:
        return False if rest else None
    if not rest:
        return None
    key = _KEY.match(rest)
    if not key:
        return False
    keys = {*NAMES, *ARGUMENTS, *AROUND, *_OTHER_KEYS, *known}
    if not key["end"]:
        return None if any(word.startswith(key["key"]) for word in keys) else False
    if key["key"] not in keys:
        return False
    return _names_tool(rest, known)


class BareValue:
    """The value at the start of a text that grows, in a fence or not."""

    def __init__(self) -> None:
        self._scan = Scan()
        self._end: int | None = None

    def whole(self, text: str) -> tuple[str, str] | None:
        """Return the value and what follows it; None while it is not whole.

        A closing fence belongs to it.
        """
        text = text.lstrip()
        inner = without_fence(text)
        if inner is None:
            return None
        value = inner.lstrip()
        self._end = self._end or self._scan.end(value)
        if self._end is None:
            return None
        rest = value[self._end :]
        if inner is text:
            return value[: self._end], rest
        closing = rest.strip()
        if closing != "```" and "```".startswith(closing):
            return None
        return value[: self._end], rest.lstrip().removeprefix("```")


def without_fence(text: str) -> str | None:
    """Return what follows the line of a fence, or the text without one; None if it is open yet."""
    if not text.startswith("`"):
        return text
    found = _FENCE.match(text)
    return text[found.end() :] if found and found["name"] in _FENCES else None


def _may_be_fence(text: str) -> bool:
    if "\n" in text:
        return False
    name = text.lstrip("`").strip()
    return len(text) < 3 or any(known.startswith(name) for known in _FENCES)


def _names_tool(text: str, known: Collection[str]) -> bool | None:
    """Whether a name that stands there is a tool's, or else arguments follow it."""
    found = _NAME.search(text)
    if not found:
        # The name may stand behind the arguments.
        kind = _TYPE.match(text)
        is_other = kind and kind[1] != "function"
        return False if is_other or _LONG_NAME.match(text) else None
    if found["name"] in known:
        return True
    following = _NEXT.match(text, found.end())
    assert following is not None
    key = following["key"]
    if following.end() == len(text) and not following["end"]:
        return None if not key or any(word.startswith(key) for word in ARGUMENTS) else False
    return key in ARGUMENTS
