"""Rows of text in aligned columns. Does not know what the cells mean."""

from __future__ import annotations


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Align all columns to the left, with two spaces between them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
