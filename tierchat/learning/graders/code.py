"""Does the code of an answer pass its test, and does its regular expression match as asked?

Does not know prompts. All of it runs in the sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tierchat.learning.graders.sandbox import passes
from tierchat.learning.graders.texts import blocks

_POSIX = {"[:digit:]": "0-9", "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9", "[:space:]": r"\s"}
_INLINE = re.compile(r"`([^`\n]+)`")
_PYTHON_STRING = re.compile(r"""^[rR]?(?P<quote>"|')(?P<inner>.*)(?P=quote)$""", re.DOTALL)
_DELIMITED = re.compile(r"^/(?P<inner>.+)/(?P<flags>[gimsu]*)$", re.DOTALL)
_IN_PYTHON = re.compile(r"""(?:re\.\w+\(\s*|^\w+\s*=\s*)[rR]?(["'])(.+?)\1""", re.M)
_MATCH_TEST = """
import re

def works(pattern):
    try:
        expression = re.compile(pattern)
    except re.error:
        return False
    return any(
        all(map(match, MATCHES)) and not any(map(match, MISMATCHES))
        for match in (expression.fullmatch, expression.search)
    )

assert any(works(pattern) for pattern in PATTERNS)
"""


def is_code(text: str, test: str, *, entry_point: str = "", setup: str = "") -> bool:
    """Return whether an answer's code passes the test; see `sandbox.passes`.

    The code is the last block that defines the `entry_point`, else the last block, else the text.
    """
    found = blocks(text)
    defining = [one for one in found if re.search(rf"\b(?:def|class) {entry_point}\b", one)]
    code = (defining or found or [text])[-1]
    return passes(code, test, setup=setup, entry_point=entry_point)


def is_expression(text: str, matches: Sequence[str], mismatches: Sequence[str]) -> bool:
    """Return whether an answer is a regular expression that tells some texts from others.

    It matches all of the first and none of the others, either as a whole or somewhere in them:
    "ends with .log" may be `.*[.]log` or `[.]log$`. Slashes, quotes and code marks around it are no
    part of it.
    """
    code = f"PATTERNS = {_expressions(text)!r}\nMATCHES = {list(matches)!r}\n"
    code += f"MISMATCHES = {list(mismatches)!r}\n"
    return passes("", _MATCH_TEST, setup=code)


def _expressions(text: str) -> list[str]:
    """Return the ways to read an expression: the first piece of code, or the first line.

    Quotes around it may be a part of it.
    """
    fenced, inline = blocks(text), _INLINE.findall(text)
    found = (fenced or inline or [text.strip().partition("\n")[0].strip("`")])[0]
    bare = found = found.strip()
    if written := _IN_PYTHON.search(found):
        found = written[2]
    elif string := _PYTHON_STRING.match(found):
        found = string["inner"]
    elif delimited := _DELIMITED.match(found):
        flags = delimited["flags"].replace("g", "").replace("u", "")
        found = (f"(?{flags})" if flags else "") + delimited["inner"].replace("\\/", "/")
    return [_as_python(one) for one in dict.fromkeys((found, bare))]


def _as_python(expression: str) -> str:
    for name, letters in _POSIX.items():
        expression = expression.replace(name, letters)
    return re.sub(r"\(\?<(?![=!])", "(?P<", expression)
