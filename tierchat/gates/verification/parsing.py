"""Whether JSON parses and Python compiles, told in a few words.

Does not know where the text comes from; nothing is run.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings

MAX_CODE_CHARS = 50_000
_MAX_DEPTH = 80
# What people and models write for "and so on", and what is typed at a prompt, is no program.
_NOT_A_PROGRAM = re.compile(
    r"^[ \t]*(?:>>>|\.\.\. ?|In \[\d+\]:|\$ |%%?\w|!\w|pip3? install|python3? \S+\.py|"
    r"(?:#|//)?[ \t]*(?:\.\.\.|…)|<[\w ]+>|\[[\w ]+ here\]|"
    r"Traceback \(most recent|\{%|function \w+\()|(?:\.\.\.|…)[ \t]*$|"
    r"#.*(?:your code|rest of|goes here|existing code|your implementation|здесь|остальн)",
    re.MULTILINE | re.IGNORECASE,
)
# Python 2, and what Pythons newer than this one may allow.
_OTHER_PYTHON = re.compile(
    r"^[ \t]*(?:print[ \t]+[^\s(=.\[,:]|print[ \t]*>>|exec[ \t]+[\"'\w]|raise[ \t]+\w+[ \t]*,|"
    r"except[ \t]+[\w.]+[ \t]*,|type[ \t]+\w+(?:\[.*\])?[ \t]*=|"
    r"(?:async[ \t]+)?def[ \t]+\w+\[|class[ \t]+\w+\[)|\b0[0-7]+\b|<>|\bur?[\"']|\bt[\"']",
    re.MULTILINE,
)


def json_problem(text: str) -> str:
    """Say why a text is not JSON; empty if it is, also if it is one value on each line."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and all(_is_object(line) for line in lines):
            return ""
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError):
        # Too large a number, or nested too deeply to be read here: nothing is known.
        return ""
    return ""


def python_problem(code: str) -> str:
    """Say at which line Python does not compile; empty if it does, or is no whole program."""
    if len(code) > MAX_CODE_CHARS or _is_deep(code):
        return ""
    problem = _syntax_problem(code)
    if not problem:
        return ""
    # An excerpt keeps the indentation of the place that it is from.
    if not _syntax_problem(textwrap.dedent(code).strip("\n")):
        return ""
    if _NOT_A_PROGRAM.search(code) or _OTHER_PYTHON.search(code):
        return ""
    return problem


def _syntax_problem(code: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        # What may stand inside an f-string differs between Pythons.
        return "" if "f-string" in error.msg else f"line {error.lineno or 1}"
    except (ValueError, RecursionError, MemoryError):
        return ""
    return ""


def _is_deep(code: str) -> bool:
    """Whether brackets or signs are nested so deeply that the parser could run out of stack."""
    depth = deepest = 0
    for letter in code:
        if letter in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in ")]}":
            depth = max(depth - 1, 0)
    return deepest > _MAX_DEPTH or bool(re.search(r"(?:[-+~]|\bnot\s){200}", code))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False
