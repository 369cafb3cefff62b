"""Regular expressions as a grammar can follow them: without what looks around, in its own words.

Does not know grammars or schemas. The result matches everything that the pattern matches.
"""

from __future__ import annotations

import re

# A look-around, or one element of an expression that is no parenthesis.
_LOOK = re.compile(r"\(\?<?[=!]")
_ELEMENT = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|.", re.DOTALL)
# What a class has: an escape, which stays, or a sign that would mean more.
_IN_CLASS = re.compile(r"(\\.)|[\[&~]", re.DOTALL)
_WORD_EDGE = (r"\b", r"\B")
_QUANTIFIER = re.compile(r"[*+?]\??|\{\d+(?:,\d*)?\}\??")


def without_lookaround(pattern: str) -> str:
    """Leave out lookaheads, lookbehinds and word boundaries, which match no characters."""
    kept: list[str] = []
    at = 0
    while at < len(pattern):
        found = _LOOK.match(pattern, at)
        if found:
            at = _after_quantifier(pattern, _end_of_group(pattern, found.end()))
            continue
        element = _ELEMENT.match(pattern, at)
        assert element
        at = element.end()
        if element[0] not in _WORD_EDGE:
            kept.append(element[0])
    return "".join(kept)


def _end_of_group(pattern: str, at: int) -> int:
    """Return the place after the parenthesis that closes a group opened before `at`."""
    depth = 1
    while depth and at < len(pattern):
        element = _ELEMENT.match(pattern, at)
        assert element
        depth += {"(": 1, ")": -1}.get(element[0], 0)
        at = element.end()
    return at


def _after_quantifier(pattern: str, at: int) -> int:
    found = _QUANTIFIER.match(pattern, at)
    return found.end() if found else at


def plain_classes(pattern: str) -> str:
    """Write classes such as `[^[&&]` so that these signs stand for themselves, as in JavaScript.

    In the grammar's expressions they would nest and intersect classes.
    """
    return _ELEMENT.sub(lambda found: _plain(found[0]), pattern)


def _plain(element: str) -> str:
    if not element.startswith("[") or len(element) == 1:
        return element
    return "[" + _IN_CLASS.sub(lambda found: found[1] or f"\\{found[0]}", element[1:])
