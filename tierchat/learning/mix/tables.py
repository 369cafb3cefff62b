"""Written tables, kept as text files beside the code that asks about them.

Does not know what the columns mean.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("tables")


@cache
def table(name: str) -> tuple[tuple[str, ...], ...]:
    """Read the rows of a table named "file/section"; cells are separated by bars."""
    file, section = name.split("/")
    found: list[tuple[str, ...]] = []
    is_inside = False
    for line in _lines(file):
        if line.startswith("["):
            is_inside = line == f"[{section}]"
        elif is_inside and line:
            found.append(tuple(cell.strip() for cell in line.split("|")))
    if not found:
        raise KeyError(name)
    return tuple(found)


@cache
def blocks(file: str) -> tuple[tuple[str, ...], ...]:
    """Read a file of blocks of lines with a blank line between them."""
    found: list[list[str]] = [[]]
    for line in _lines(file):
        if line:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return tuple(tuple(block) for block in found if block)


def _lines(file: str) -> list[str]:
    lines = _FOLDER.joinpath(f"{file}.txt").read_text("utf-8").splitlines()
    return [line.rstrip() for line in lines if not line.startswith("# ")]
