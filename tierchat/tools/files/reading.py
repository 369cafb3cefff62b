"""The tools `list_files`, `read_file` and `search_files`, below the folders that were named.

Runs in a process that can be ended: a search may take its time. Does not know who asks.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from tierchat.decoding import decode
from tierchat.tools.failure import ToolFailed
from tierchat.tools.files.folder import Entry, Folder

_MAX_BYTES = 4_000_000
_MAX_LISTED, _MAX_FOUND = 400, 100
_MAX_LINE = 300
_MAX_LINES = 400
Line = Annotated[int, msgspec.Meta(ge=1)]


class Files:
    """The named folders as one: with several, a path begins with the name of its folder."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = {"": Folder(folders[0])} if len(folders) == 1 else _named(folders)

    def list_files(self, folder: str = "", pattern: str = "*") -> str:
        """List the files and folders that may be read, with their sizes.

        Args:
            folder: where to look; left out, everywhere
            pattern: of the names, such as *.py
        """
        lines: list[str] = []
        for entry in self._walked(folder):
            name = entry.path.rpartition("/")[2]
            if fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(entry.path, pattern):
                if len(lines) == _MAX_LISTED:
                    lines.append(f"... (more than {_MAX_LISTED}: name a folder or a pattern)")
                    break
                size = "/" if entry.is_folder else f"  {entry.size_bytes:,} bytes"
                lines.append(f"{entry.path}{size}")
        return "\n".join(lines) or "(nothing)"

    def read_file(self, path: str, first_line: Line = 1, num_lines: Line = _MAX_LINES) -> str:
        """Read lines of a text file.

        Args:
            path: the file, as list_files shows it
            first_line: the line to begin at
            num_lines: how many lines to read
        """
        lines = self.text(path).split("\n")
        if lines and not lines[-1]:
            lines.pop()
        begin = first_line - 1
        found = lines[begin : begin + min(num_lines, _MAX_LINES)]
        if not found:
            return f"(the file has {len(lines)} lines)"
        end = begin + len(found)
        rest = f"\n... (lines {first_line} to {end} of {len(lines)})" if end < len(lines) else ""
        return "\n".join(found) + rest

    def search_files(
        self, text: str, folder: str = "", pattern: str = "*", is_regex: bool = False
    ) -> str:
        """Find lines of text files that have a text in them, whatever its capitals.

        Args:
            text: what to look for
            folder: where to look; left out, everywhere
            pattern: of the names of the files, such as *.py
            is_regex: whether the text is a regular expression
        """
        matches = _matcher(text, is_regex)
        lines: list[str] = []
        for entry in self._walked(folder):
            name = entry.path.rpartition("/")[2]
            if entry.is_folder or not fnmatch.fnmatch(name, pattern):
                continue
            for number, line in self._lines(entry.path):
                if matches(line):
                    if len(lines) == _MAX_FOUND:
                        return "\n".join([*lines, f"... (more than {_MAX_FOUND} lines)"])
                    lines.append(f"{entry.path}:{number}: {line.strip()[:_MAX_LINE]}")
        return "\n".join(lines) or "(nothing found)"

    def _lines(self, path: str) -> Iterator[tuple[int, str]]:
        try:
            yield from enumerate(self.text(path).split("\n"), 1)
        except ToolFailed:
            # What cannot be read as text has no lines.
            return

    def text(self, path: str) -> str:
        """Return a whole text file; raises ToolFailed."""
        folder, inner = self.place(path)
        data = folder.read(inner, _MAX_BYTES)
        if b"\0" in data:
            raise ToolFailed(f"{path[:200]!r} is not text")
        return decode(data).text.replace("\r\n", "\n")

    def _walked(self, path: str) -> Iterator[Entry]:
        if path.strip("./") or len(self._folders) == 1:
            folder, inner = self.place(path)
            prefix = next(name for name, known in self._folders.items() if known is folder)
            yield from _prefixed(prefix, folder.walk(inner))
            return
        for name, folder in self._folders.items():
            yield Entry(name, True)
            yield from _prefixed(name, folder.walk())

    def place(self, path: str) -> tuple[Folder, str]:
        """Return the folder that a path is in, and the path there; raises ToolFailed."""
        if "" in self._folders:
            return self._folders[""], path
        for folder in self._folders.values():
            if path.startswith(f"{folder.path}/"):
                return folder, path
        name, _, inner = path.removeprefix("./").partition("/")
        if name not in self._folders:
            raise ToolFailed(f"a path begins with one of the folders {', '.join(self._folders)}")
        return self._folders[name], inner


def _named(folders: list[Path]) -> dict[str, Folder]:
    named: dict[str, Folder] = {}
    for path in folders:
        name, number = path.name or "root", 2
        while name in named:
            name, number = f"{path.name}-{number}", number + 1
        named[name] = Folder(path)
    return named


def _prefixed(prefix: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        path = f"{prefix}/{entry.path}" if prefix else entry.path
        yield Entry(path, entry.is_folder, entry.size_bytes)


def _matcher(text: str, is_regex: bool) -> Callable[[str], bool]:
    if not text:
        raise ToolFailed("there is no text to look for")
    if not is_regex:
        folded = text.casefold()
        return lambda line: folded in line.casefold()
    try:
        found = re.compile(text, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ToolFailed(f"the regular expression is wrong: {error}") from error
    return lambda line: found.search(line) is not None
