"""Lines that are too long for a terminal, broken between words. Does not know streams.

A terminal breaks lines anywhere, in the middle of a word.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from tierchat.terminal.tier_line import BAR

# Columns are two spaces apart, sentences may be, too.
_GAP = re.compile(r"(?<![.!?:;,])  +(?=\S)")
_SEPARATOR = f" {BAR} "


def wrapped(line: str, width: int) -> list[str]:
    """Break a line between words; what continues its last column is put below that column.

    The parts of a tier line stay whole. Words that are longer than a line are left so.
    """
    if len(line) <= width:
        return [line]
    column = _column(line, width)
    if not column and _SEPARATOR in line:
        return list(_packed(line.split(_SEPARATOR), width))
    head, cell = line[:column], line[column:]
    bar = f"{BAR} " if cell.startswith(f"{BAR} ") else ""
    first, *rest = _words(cell.removeprefix(bar), max(1, width - column - len(bar))) or [""]
    return [(head + bar + first).rstrip(), *(" " * column + bar + part for part in rest)]


def _column(line: str, width: int) -> int:
    """Return where the last column begins that has room for its words; 0 without columns."""
    for gap in reversed(list(_GAP.finditer(line, 0, width))):
        longest = max(map(len, line[gap.end() :].split()))
        if longest <= width - gap.end():
            return gap.end()
    return 0


def _words(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _packed(parts: list[str], width: int) -> Iterator[str]:
    """Put as many parts on each line as fit; yields the lines."""
    line = parts[0]
    for part in parts[1:]:
        if len(line) + len(_SEPARATOR) + len(part) <= width:
            line += _SEPARATOR + part
            continue
        yield from _words(line, width)
        line = f"{BAR} {part}"
    yield from _words(line, width)
