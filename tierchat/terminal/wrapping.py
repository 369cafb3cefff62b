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

    The parts of a tier line stay whole. A line is left to the terminal if a word is longer than
    `width`, or if more than its last column is too far right.
    """
    if len(line) <= width or max(map(len, line.split()), default=0) > width:
        return [line]
    gaps = [gap.end() for gap in _GAP.finditer(line)]
    if not gaps and _SEPARATOR in line:
        return list(_packed(line.split(_SEPARATOR), width))
    column = gaps[-1] if gaps else 0
    head, cell = line[:column], line[column:]
    bar = f"{BAR} " if cell.startswith(f"{BAR} ") else ""
    room = width - column - len(bar)
    words = _words(cell.removeprefix(bar), max(1, room))
    if not words or max(map(len, words)) > room:
        return [line]
    first, *rest = words
    return [(head + bar + first).rstrip(), *(" " * column + bar + part for part in rest)]


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
