"""What .gitignore leaves out, from the root of the repository down to each folder.

By pathspec, which knows git's patterns. Does not open anything that is asked for.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

_MAX_BYTES = 1_000_000


class Ignored:
    """The rules for one folder and all below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = _repository(folder)
        # The folder as its repository sees it.
        self._inside = folder.relative_to(self._root).parts
        self._rules = lru_cache(maxsize=4096)(_rules_of)

    def is_ignored(self, parts: tuple[str, ...], *, is_folder: bool) -> bool:
        """Whether a path below the folder, or a folder that it lies in, is left out."""
        whole = (*self._inside, *parts)
        return any(
            self._is_own(whole[:length], is_folder=is_folder or length < len(whole))
            for length in range(len(self._inside) + 1, len(whole) + 1)
        )

    def _is_own(self, whole: tuple[str, ...], *, is_folder: bool) -> bool:
        """Whether a rule names this path itself; the deepest .gitignore that says so decides."""
        for length in range(len(whole) - 1, -1, -1):
            rules = self._rules(self._root.joinpath(*whole[:length]))
            if rules is None:
                continue
            path = "/".join(whole[length:]) + ("/" if is_folder else "")
            said = rules.check_file(path).include
            if said is not None:
                return bool(said)
        return False


def _repository(folder: Path) -> Path:
    """Return the root of the repository that a folder is in; the folder itself outside of one."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists():
            return place
    return folder


def _rules_of(folder: Path) -> Any:
    import pathspec

    try:
        descriptor = os.open(folder / ".gitignore", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            lines = file.read(_MAX_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    return pathspec.GitIgnoreSpec.from_lines(lines)
