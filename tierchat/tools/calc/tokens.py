"""The words of an expression: numbers, dates, names and signs, as people and models write them.

Does not know what they mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tierchat.tools.failure import ToolFailed

Kind = Literal["number", "date", "name", "sign", "end"]
MAX_CHARS = 2_000
_SPELLINGS = str.maketrans(
    {
        **{"×": "*", "·": "*", "∙": "*", "⋅": "*", "÷": "/", "∕": "/", "−": "-", "–": "-"},
        **{"²": "^2", "³": "^3", "√": " sqrt ", "π": " pi ", "’": "'", "μ": "µ"},
        # The sign of a currency changes nothing about a sum.
        **{"$": " ", "€": " ", "£": " ", "\n": " ", "\t": " ", "\u00a0": " "},
    }
)
_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<date>\d{4}-\d{2}-\d{2}(?!\d))"
    r"|(?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+"
    r"|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+(?![A-Za-z]))?)"
    r"|(?P<name>°[CF]?|[^\W\d]\w*)"
    r"|(?P<sign>\*\*|//|<=|>=|==|!=|[-+*/^%!(),<>=])"
    r")"
)
# 1,234,567.89: only between calls, where a comma stands between arguments.
_GROUPED = re.compile(r"(?<![\w.,])(\d{1,3}(?:,\d{3})+)(?![\d,])")


@dataclass(frozen=True)
class Token:
    """One word of an expression, and where it begins; the last one is of the kind `end`."""

    kind: Kind
    text: str
    at: int


def tokens_of(expression: str) -> list[Token]:
    """Split an expression; raises ToolFailed at what is no word of one."""
    if len(expression) > MAX_CHARS:
        raise ToolFailed(f"the expression is longer than {MAX_CHARS} characters")
    text = _without_grouping(expression.translate(_SPELLINGS)).rstrip().rstrip("=?").rstrip()
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            rest = text[at:].strip()
            raise ToolFailed(f"{rest[:20]!r} cannot be read in an expression")
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        found.append(Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, Token("end", "", len(text))]


def _without_grouping(text: str) -> str:
    """Take the commas out of 1,234,567, unless they stand between the arguments of a call."""
    pieces: list[str] = []
    last = 0
    for match in _GROUPED.finditer(text):
        before = text[: match.start()]
        if before.count("(") > before.count(")"):
            continue
        pieces += [text[last : match.start()], match[1].replace(",", "")]
        last = match.end()
    return "".join([*pieces, text[last:]])
