"""What stands between the marks of a call, read in whichever way it is written.

A model does not always keep to the form that it was taught, so the text decides, not the family.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from tierchat.workers.child.tool_calls.json_calls import json_calls
from tierchat.workers.child.tool_calls.other_calls import gemma_calls, python_calls
from tierchat.workers.child.tool_calls.tagged_calls import glm_calls, named_calls, tag_calls
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

_FENCE = re.compile(r"\A```\w*\s*\n|\n?```\s*\Z")
# Marks within marks: of one call among several, and of one way within another.
_INNER = re.compile(r"</?tool_calls?>|<\|/?tool_call\|>|<\|?/?TOOLCALL>")
_PYTHON = re.compile(r"\[?\s*[A-Za-z_][\w.]*\s*\(")


def read_body(text: str, known: Collection[str], *, is_whole: bool = True) -> list[WrittenCall]:
    """Return the calls in a text; `known` are the names of tools. Raises BrokenCall."""
    try:
        return _read(text, known, is_whole)
    except RecursionError as error:
        raise BrokenCall("it is nested too deeply") from error


def _read(text: str, known: Collection[str], is_whole: bool) -> list[WrittenCall]:
    body = _FENCE.sub("", text.strip()).strip()
    if body.startswith("{") or (body.startswith("[") and not _PYTHON.match(body)):
        return json_calls(body, known, is_whole=is_whole)
    body = _INNER.sub("\n", body).strip()
    if not body:
        raise BrokenCall("it is empty")
    if body.startswith("{"):
        return json_calls(body, known, is_whole=is_whole)
    if body.startswith("call:"):
        return gemma_calls(body)
    if "<function" in body or "<invoke" in body:
        return tag_calls(body)
    if "<arg_key>" in body:
        return glm_calls(body)
    if _PYTHON.match(body):
        return python_calls(body)
    # A tool without arguments may be named alone.
    if body in known:
        return [WrittenCall(body, {})]
    return named_calls(body)
