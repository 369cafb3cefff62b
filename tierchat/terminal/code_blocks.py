"""Fenced code blocks of Markdown (CommonMark 4.5), found in whole text.

Does not know streams or colours.
"""

from __future__ import annotations

import re

# Deeper than CommonMark's three spaces: below a list item they stand further in.
FENCE = re.compile(r"^ *(`{3,}|~{3,})[ \t]*([^`\n]*)$")


def last_block(text: str) -> str | None:
    """Return the last code block, with a newline at its end; None when there is none.

    A block that the answer left open counts as far as it goes.
    """
    found: str | None = None
    fence: str = ""
    lines: list[str] = []
    for line in text.splitlines():
        opened = FENCE.match(line)
        if fence:
            if closes(line, fence):
                found, fence = _joined(lines), ""
            else:
                lines.append(line)
        elif opened:
            fence, lines = opened[1], []
    return _joined(lines) if fence else found


def closes(line: str, fence: str) -> bool:
    """Tell whether a line ends the block that `fence` began."""
    bare = line.strip()
    return bool(bare) and set(bare) == {fence[0]} and len(bare) >= len(fence)


def fence_for(text: str) -> str:
    """Choose a fence that occurs nowhere in a text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
