"""The tool `edit_file`: changes a place in a file, or makes one, below the folders that were named.

Does not know who allows it; `diff` shows what a call would do.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from tierchat.tools.failure import ToolFailed
from tierchat.tools.files.reading import Files


class Edits:
    """Changes to the files of some folders."""

    def __init__(self, folders: list[Path]) -> None:
        self._files = Files(folders)

    def edit_file(self, path: str, old: str, new: str) -> str:
        """Replace a piece of a text file by another; the person sees the change and confirms it.

        Args:
            path: the file
            old: the piece as it stands there, once; empty makes a new file
            new: what stands there afterwards
        """
        before, after = self._change(path, old, new)
        folder, inner = self._files.place(path)
        folder.write(inner, after.encode("utf-8", "replace"))
        made = "made" if before is None else "changed"
        return f"{path} was {made}"

    def diff(self, path: str, old: str, new: str) -> str:
        """Show what an edit would change; raises ToolFailed if it cannot be made."""
        before, after = self._change(path, old, new)
        lines = difflib.unified_diff(
            (before or "").split("\n"),
            after.split("\n"),
            "nothing" if before is None else path,
            path,
            lineterm="",
        )
        return "\n".join(lines)

    def _change(self, path: str, old: str, new: str) -> tuple[str | None, str]:
        if not old:
            try:
                self._files.text(path)
            except ToolFailed as error:
                if "No such file" not in error.message:
                    raise
                return None, new
            raise ToolFailed(f"{path[:200]!r} is there; say which piece of it is replaced")
        before = self._files.text(path)
        num = before.count(old)
        if num != 1:
            raise ToolFailed(
                f"the piece stands {num} times in {path[:200]!r}; give one that stands there once"
            )
        if old == new:
            raise ToolFailed("old and new are the same")
        return before, before.replace(old, new)
