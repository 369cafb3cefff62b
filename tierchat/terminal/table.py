"""Rows of text in aligned columns. Does not know what the cells mean."""

from __future__ import annotations

from collections.abc import Sequence

_LEAST_CELL = 12
_GAP = 2


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align all columns to the left, with two spaces between them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def fitted(rows: Sequence[tuple[str, ...]], column: int, width: int) -> list[str]:
    """Align all columns, and cut the cells of one of them in the middle, so that lines fit."""
    others = sum(
        max(len(row[index]) for row in rows) + _GAP
        for index in range(len(rows[0]))
        if index != column
    )
    room = max(_LEAST_CELL, width - others)
    cut = [(*row[:column], _cut(row[column], room), *row[column + 1 :]) for row in rows]
    return [line[:width].rstrip() for line in table(cut)]


def _cut(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    tail = (room - 1) // 3
    return f"{text[: room - 1 - tail]}…{text[-tail:]}"
