"""Small files that several processes write: replaced whole, and changed under a lock.

Does not know what is in them. All functions but `write_quietly`, `append_quietly` and
`changing_for_user` raise OSError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tierchat.errors import UnsafePath

_POLL_S = 0.05
# A file is read, changed and replaced within milliseconds.
_MAX_WAIT_S = 10.0
_PRIVATE = 0o600
# What flock says on file systems without locks, as some network file systems are.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all, even if the machine stops; only the owner can read it."""
    # Each writer has a name of its own: two must not mix.
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _remove_old_parts(path)


def _remove_old_parts(path: Path) -> None:
    """Remove what processes left that were killed while they wrote this file."""
    name = re.compile(re.escape(path.name) + r"\.(\d{1,9})\.\d+\.part")
    with contextlib.suppress(OSError):
        for entry in os.listdir(path.parent):
            match = name.fullmatch(entry)
            if match and _is_gone(int(match[1])):
                path.with_name(entry).unlink()


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


def write_quietly(path: Path, data: bytes) -> None:
    """Replace a file that only saves work; where it cannot be written, the work is done again."""
    with contextlib.suppress(OSError):
        replace_file(path, data)


def append_quietly(descriptor: int, line: str) -> None:
    """Append a line to a log that is open; where it cannot be written, the line is lost."""
    with contextlib.suppress(OSError):
        os.write(descriptor, f"{line}\n".encode("utf-8", "replace"))


@contextlib.contextmanager
def changing(path: Path, max_wait_s: float = _MAX_WAIT_S) -> Iterator[None]:
    """Keep other processes and threads out while a file is read, changed and replaced.

    Raises TimeoutError, an OSError, when another process does not release the lock.
    """
    deadline_s = time.monotonic() + max_wait_s

    def give_up() -> None:
        if time.monotonic() > deadline_s:
            raise TimeoutError(None, f"another process has held its lock for {max_wait_s:g} s")

    with locked(path, give_up):
        yield


@contextlib.contextmanager
def changing_for_user(path: Path) -> Iterator[None]:
    """As `changing`; makes the directory, and raises OSErrors as UnsafePath with a hint."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with changing(path):
            yield
    except OSError as error:
        culprit = Path(os.fsdecode(error.filename2 or error.filename or path))
        where = "" if culprit == path else f" ({culprit})"
        hint = f"make sure that you can write {culprit.parent} and that its disk is not full"
        if isinstance(error, TimeoutError):
            hint = f"try again; if that does not help, stop the process that locks {path}.lock"
        elif isinstance(error, IsADirectoryError):
            hint = f"remove the directory {culprit}"
        raise UnsafePath(f"cannot write {path}: {error.strerror or error}{where}", hint) from error


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold `<path>.lock`; `on_wait` is called again and again while another process holds it.

    The kernel releases the lock of a process that dies, so a lock file left behind is harmless.
    Where the file system has no locks, nothing is held.
    """
    lock = path.with_name(path.name + ".lock")
    while (fd := _try_lock(lock)) is None:
        on_wait()
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        # Removed while the lock is still held: a process that waits on the removed file notices
        # and opens a new one.
        try:
            with contextlib.suppress(OSError):
                lock.unlink(missing_ok=True)
        finally:
            os.close(fd)


def drop_left_lock(path: Path) -> None:
    """Remove the lock file of a process that was killed; a lock that is held stays."""
    lock = path.with_name(path.name + ".lock")
    with contextlib.suppress(OSError):
        if lock.exists() and (fd := _try_lock(lock)) is not None:
            with contextlib.suppress(OSError):
                lock.unlink()
            os.close(fd)


def _try_lock(path: Path) -> int | None:
    """Open and lock a file; None when another process holds it, or has just removed it."""
    with contextlib.ExitStack() as undo:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _PRIVATE)
        undo.callback(os.close, fd)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            if os.path.samestat(os.fstat(fd), path.stat()):
                undo.pop_all()
                return fd
    return None
