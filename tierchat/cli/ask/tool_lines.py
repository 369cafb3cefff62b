"""A call of a tool in lines for a person: what was asked for, and what came of it.

Does not know streams or colours; what is printed is made harmless there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tierchat.tool_calls import ToolRun

_MAX_LINES, _MAX_CHARS = 12, 160
_ARROW = "→"


def tool_lines(run: ToolRun) -> list[str]:
    """Show a call in one line where it fits into one."""
    # Only calls need this room.
    from tierchat.tools.spotlight import without_marks

    asked = _arguments(run.arguments)
    found = _shortened(without_marks(run.result).split("\n"))
    if len(asked) == 1 and len(found) == 1:
        return [f"{run.tool} {asked[0]} {_ARROW} {found[0]}".replace("  ", " ")]
    head = [f"{run.tool} {asked[0]}"] if len(asked) == 1 else [run.tool, *_indented(asked)]
    return [*head, f"{_ARROW} {found[0]}", *_indented(found[1:])]


def _arguments(text: str) -> list[str]:
    """Write arguments: the only one alone, several by their names, and code as lines."""
    try:
        given: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return [text]
    if not isinstance(given, dict) or not given:
        return [""]
    if len(given) == 1:
        lines = str(next(iter(given.values()))).split("\n")
        return _shortened(lines)
    written = [f"{name}={value}" for name, value in given.items()]
    if any("\n" in part for part in written):
        return _shortened([line for part in written for line in part.split("\n")])
    return [" ".join(written)]


def _shortened(lines: list[str]) -> list[str]:
    cut = [line if len(line) <= _MAX_CHARS else f"{line[:_MAX_CHARS]}…" for line in lines]
    if len(cut) <= _MAX_LINES:
        return cut
    return [*cut[:_MAX_LINES], f"… {len(cut) - _MAX_LINES} more lines"]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
