"""How a file looked at one moment, to tell later whether it was written to since.

Does not know what is in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileStamp:
    """What changes when a file is written to (size, time) or is another one (inode, device)."""

    size_bytes: int
    modified_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, path: Path) -> FileStamp | None:
        """Look at a file; None if it cannot be seen."""
        try:
            stat = path.stat()
        except OSError:
            return None
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev)

    def is_overwritten(self, path: Path) -> bool:
        """Tell whether this very file was written to since.

        One that was renamed over, or removed, lives on unchanged for whoever has it open.
        """
        now = FileStamp.of(path)
        if now is None or (now.inode, now.device) != (self.inode, self.device):
            return False
        return now != self
