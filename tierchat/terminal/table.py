"""Rows of text in aligned columns."""

from __future__ import annotations


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Align columns to the left, two blanks between."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
