"""A file that is still arriving: its first bytes, and the room it needs on the disk.

Does not know networks or hubs; the caller appends bytes, and the whole is checked at the end.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from tierchat.errors import DoesNotFit, ModelCorrupt, UnsafePath

_BLOCK_BYTES = 1 << 20
# A full disk breaks other programs and our own log.
_MIN_MARGIN_BYTES = 64 << 20
_MARGIN = 0.01
_FULL = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
_PRIVATE = 0o600


class PartFile:
    """`<target>.part`: the bytes that have arrived so far, kept across runs until `publish`.

    Written unbuffered, so that a killed process loses no appended bytes. The process that opens
    one holds `locked(target)`. Disk errors are raised as DoesNotFit (full) or UnsafePath (others).
    """

    def __init__(self, target: Path, total_bytes: int) -> None:
        self._target = target
        self._path = part_path(target)
        self._total_bytes = total_bytes
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.num_appended = 0
        with self._disk_errors():
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._fd = os.open(self._path, flags, _PRIVATE)

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            if not os.fstat(self._fd).st_size:
                # Nothing has arrived: there is nothing to continue.
                self._path.unlink(missing_ok=True)
        os.close(self._fd)

    def take_up(self, on_hash: Callable[[int, int], None]) -> None:
        """Hash the bytes that an earlier run left; drop them if they exceed the whole file."""
        with self._disk_errors():
            there_bytes = os.fstat(self._fd).st_size
            if there_bytes > self._total_bytes:
                return self.drop()
            while block := os.read(self._fd, _BLOCK_BYTES):
                self._digest.update(block)
                self.size_bytes += len(block)
                on_hash(self.size_bytes, there_bytes)

    def append(self, block: bytes) -> None:
        """Write bytes; once this returns, they survive the end of this process."""
        if self.size_bytes + len(block) > self._total_bytes:
            self._set_aside()
            raise ModelCorrupt(
                f"{self._target.name} is longer than the published {self._total_bytes:,} bytes",
                "try again; if that fails too, the file was replaced on the hub",
            )
        self._digest.update(block)
        rest = memoryview(block)
        with self._disk_errors():
            while rest:
                num_written = os.write(self._fd, rest)
                self.size_bytes += num_written
                self.num_appended += num_written
                rest = rest[num_written:]

    def drop(self) -> None:
        """Forget all bytes that have arrived, to begin again."""
        with self._disk_errors():
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def publish(self, sha256: str | None) -> None:
        """Rename the complete file to its target, after writing it through to the disk.

        Raises ModelCorrupt for a wrong sha256; the file is then kept as `<target>.wrong`.
        """
        actual = self._digest.hexdigest()
        with self._disk_errors():
            if sha256 and actual != sha256.lower():
                raise ModelCorrupt(
                    f"{self._target.name} is not the file that was published: its sha256 is "
                    f"{actual}, the catalogue says {sha256.lower()}",
                    f"pull it again; the wrong bytes are kept in {self._set_aside()} until then",
                )
            os.fsync(self._fd)
            os.replace(self._path, self._target)
            _sync_directory(self._target.parent)
            wrong_path(self._target).unlink(missing_ok=True)

    def _set_aside(self) -> Path:
        wrong = wrong_path(self._target)
        with self._disk_errors():
            os.replace(self._path, wrong)
        return wrong

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        with disk_errors(self._target, lambda: self._total_bytes - self.size_bytes):
            yield


@contextlib.contextmanager
def disk_errors(target: Path, needed_bytes: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Raise disk errors as DoesNotFit (full) or UnsafePath (others)."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DoesNotFit(
                f"{target.parent} is full or at a limit ({error.strerror}): {target.name} needs "
                f"{_amount(needed_bytes())} more, {_amount(_free_bytes(target.parent))} are free",
                "free some space and try again: what has arrived is kept",
            ) from error
        raise UnsafePath(
            f"cannot write {target}: {error.strerror or error}", "set TIERCHAT_HOME elsewhere"
        ) from error


def require_space(missing: Mapping[Path, int]) -> None:
    """Raise DoesNotFit unless the missing bytes of each target fit, per file system.

    A margin must stay free.
    """
    by_device: dict[int, list[Path]] = {}
    for target, num_bytes in missing.items():
        if num_bytes > 0:
            by_device.setdefault(existing(target).stat().st_dev, []).append(target)
    for targets in by_device.values():
        directory = existing(targets[0])
        needed_bytes = sum(missing[target] for target in targets)
        margin_bytes = max(_MIN_MARGIN_BYTES, int(needed_bytes * _MARGIN))
        free_bytes = _free_bytes(directory)
        if needed_bytes + margin_bytes > free_bytes:
            raise DoesNotFit(
                f"{directory} has no room: {_amount(needed_bytes)} are still to come, and "
                f"{_amount(margin_bytes)} should stay free, but {_amount(free_bytes)} are free",
                "free some space, or set TIERCHAT_HOME to a larger disk",
            )


def missing_bytes(target: Path, total_bytes: int) -> int:
    """Return how many bytes of a file are still to come."""
    try:
        return max(0, total_bytes - part_path(target).stat().st_size)
    except OSError:
        return total_bytes


def part_path(target: Path) -> Path:
    """Return the path of the bytes that have arrived."""
    return target.with_name(target.name + ".part")


def wrong_path(target: Path) -> Path:
    """Return the path of a file that arrived with the wrong sha256."""
    return target.with_name(target.name + ".wrong")


def existing(path: Path) -> Path:
    """Return the nearest directory above a path that exists."""
    return next(parent for parent in path.parents if parent.exists())


def _free_bytes(directory: Path) -> int:
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def _amount(num_bytes: int) -> str:
    return f"{num_bytes:,} bytes ({num_bytes / 1e9:.1f} GB)"


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
