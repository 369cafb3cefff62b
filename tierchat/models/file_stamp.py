"""How the files of a model looked at one moment, to notice later that one changed.

Does not know what is in the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileStamp:
    """Size and time change when a file is written to, inode and device when it is replaced.

    The time of the last change of the inode is not kept: a hard link or a `chmod` changes it, and
    would have models of many gigabytes hashed again. So a file that is overwritten in place with as
    many bytes and the same modification time (`cp -p`) is not noticed.
    """

    size_bytes: int
    modified_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: Path) -> FileStamp | None:
        """Look at a file; None where there is none, or where it cannot be seen."""
        try:
            return cls.of_existing(path)
        except OSError:
            return None

    @classmethod
    def of_existing(cls, path: Path) -> FileStamp:
        """Look at a file; raises OSError where it cannot be seen."""
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev)

    def __str__(self) -> str:
        return f"{self.size_bytes} {self.modified_ns} {self.inode} {self.device}"

    def is_overwritten(self, path: Path) -> bool:
        """Whether this very file was written to since.

        A file that was removed or replaced by a rename stays unchanged for a process that has it
        open.
        """
        now = FileStamp.of(path)
        if now is None or (now.inode, now.device) != (self.inode, self.device):
            return False
        return now != self


@dataclass(frozen=True)
class ModelStamp:
    """The stamps of all files of a model; None for a file that was not there."""

    files: tuple[tuple[Path, FileStamp | None], ...]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> ModelStamp:
        """Look at all files of a model."""
        return cls(tuple((path, FileStamp.of(path)) for path in paths))

    @property
    def is_overwritten(self) -> bool:
        """Whether one of these very files was written to since; see `FileStamp`."""
        return any(stamp is not None and stamp.is_overwritten(path) for path, stamp in self.files)
