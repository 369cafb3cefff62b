"""Fenced code blocks of Markdown (CommonMark 4.5), found in whole text.

Does not know streams or colours.
"""

from __future__ import annotations

import re

from tierchat.decoding import lines_of

# More than CommonMark's three spaces: fences below a list item are indented further.
FENCE = re.compile(r"^ *(`{3,}|~{3,})[ \t]*([^`\n]*)$")


def last_block(text: str) -> str | None:
    """Return the last code block, with a newline at its end; None if there is none.

    An unclosed block extends to the end of the text.
    """
    found: str | None = None
    fence: str = ""
    lines: list[str] = []
    for line in lines_of(text.removesuffix("\n")):
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
    """Whether a line closes the block that `fence` opened."""
    bare = line.strip()
    return bool(bare) and set(bare) == {fence[0]} and len(bare) >= len(fence)


def fence_for(text: str) -> str:
    """Return a fence that is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
