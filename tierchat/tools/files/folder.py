"""A folder that was named: opens what lies in it, and nothing that does not.

No link is followed, names that begin with a dot are hidden, and what .gitignore leaves out is left
out. Does not know what is done with a file. Not for several threads.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tierchat.tools.failure import ToolFailed
from tierchat.tools.files.ignored import Ignored

_MAX_DEPTH = 64
_MAX_WALKED = 50_000
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What a model writes for the folder itself.
_HERE = ("", ".", "./", "/")


@dataclass(frozen=True)
class Entry:
    """A file or folder below the named one; `path` is relative to that."""

    path: str
    is_folder: bool
    size_bytes: int = 0


class Folder:
    """One named folder; `path` must be absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ignored = Ignored(path)

    def parts(self, path: str) -> tuple[str, ...]:
        """Split a path below the folder; raises ToolFailed for one that is not, or hidden."""
        if "\0" in path:
            raise ToolFailed("a path has no NUL in it")
        if path in _HERE:
            return ()
        given = Path(path)
        if given.is_absolute():
            try:
                given = given.relative_to(self.path)
            except ValueError as error:
                raise ToolFailed(
                    f"{path[:200]!r} is outside the folder; paths are relative to it"
                ) from error
        parts = tuple(part for part in given.parts if part != ".")
        if ".." in parts:
            raise ToolFailed(f"{path[:200]!r}: .. leads out of the folder, and is not followed")
        if any(part.startswith(".") for part in parts):
            raise ToolFailed(f"{path[:200]!r} is hidden: names that begin with a dot are left out")
        if len(parts) > _MAX_DEPTH:
            raise ToolFailed("the path is too long")
        return parts

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """Open a file or folder; raises ToolFailed for what is missing, ignored or a link."""
        parts = self.parts(path)
        with self._opened(parts) as descriptor:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            if parts and self._ignored.is_ignored(parts, is_folder=is_folder):
                raise ToolFailed(f"{path[:200]!r} is left out by .gitignore")
            yield descriptor

    def read(self, path: str, max_bytes: int) -> bytes:
        """Read a file; raises ToolFailed for one that is too large, or no file."""
        with self.opened(path) as descriptor:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise ToolFailed(f"{path[:200]!r} is a folder")
            if not stat.S_ISREG(found.st_mode):
                raise ToolFailed(f"{path[:200]!r} is no file")
            if found.st_size > max_bytes:
                raise ToolFailed(
                    f"{path[:200]!r} has {found.st_size:,} bytes, more than {max_bytes:,}"
                )
            # A file that grows meanwhile is read up to the bound.
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(max_bytes)

    def write(self, path: str, data: bytes) -> None:
        """Replace a file, or make one in a folder that exists; raises ToolFailed."""
        *above, name = self.parts(path) or ("",)
        if not name:
            raise ToolFailed("a path is missing")
        if self._ignored.is_ignored((*above, name), is_folder=False):
            raise ToolFailed(f"{path[:200]!r} is left out by .gitignore")
        with self._opened(tuple(above)) as folder:
            status = _status(name, folder)
            if status is not None and not stat.S_ISREG(status.st_mode):
                raise ToolFailed(f"{path[:200]!r} is no file")
            mode = stat.S_IMODE(status.st_mode) if status else 0o644
            part = f".{name[:200]}.{os.getpid()}.part"
            try:
                descriptor = os.open(part, _MAKE, mode, dir_fd=folder)
                with open(descriptor, "wb") as file:
                    if status:
                        os.fchmod(descriptor, mode)
                    file.write(data)
                os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.unlink(part, dir_fd=folder)
                raise ToolFailed(f"{path[:200]!r} cannot be written: {error.strerror}") from error

    def walk(self, path: str = "", *, depth: int = _MAX_DEPTH) -> Iterator[Entry]:
        """Yield what is in a folder, sorted, each folder before what is in it."""
        budget = [_MAX_WALKED]
        with self.opened(path) as descriptor:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise ToolFailed(f"{path[:200]!r} is no folder")
        yield from self._walked(self.parts(path), depth, budget)

    def _walked(self, parts: tuple[str, ...], depth: int, budget: list[int]) -> Iterator[Entry]:
        try:
            with self._opened(parts) as descriptor:
                found = sorted(os.listdir(descriptor))
                kinds = [(name, _status(name, descriptor)) for name in found]
        except (OSError, ToolFailed):
            # It went away meanwhile, or may not be read.
            return
        for name, status in kinds:
            budget[0] -= 1
            if budget[0] < 0:
                return
            own = (*parts, name)
            if name.startswith(".") or status is None:
                continue
            is_folder = stat.S_ISDIR(status.st_mode)
            if not is_folder and not stat.S_ISREG(status.st_mode):
                continue
            if self._ignored.is_ignored(own, is_folder=is_folder):
                continue
            yield Entry("/".join(own), is_folder, status.st_size)
            if is_folder and depth > 1:
                yield from self._walked(own, depth - 1, budget)

    @contextlib.contextmanager
    def _opened(self, parts: tuple[str, ...]) -> Iterator[int]:
        """Open part after part, so that no link is followed, whoever changes one meanwhile."""
        path = "/".join(parts) or "."
        try:
            descriptor = os.open(self.path, _FLAGS | os.O_DIRECTORY)
        except OSError as error:
            raise ToolFailed(f"the folder cannot be opened: {error.strerror}") from error
        try:
            for part in parts:
                try:
                    inner = os.open(part, _FLAGS, dir_fd=descriptor)
                except OSError as error:
                    raise ToolFailed(_why(path, error, part, descriptor)) from error
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)


def _status(name: str, descriptor: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return None


def _why(path: str, error: OSError, part: str, descriptor: int) -> str:
    status = _status(part, descriptor)
    if status is not None and stat.S_ISLNK(status.st_mode):
        return f"{path[:200]!r} is or leads over a link; links are not followed"
    return f"{path[:200]!r} cannot be opened: {error.strerror}"
