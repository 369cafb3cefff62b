"""A lock that a process holds until it ends, and who holds it.

Does not know what the lock is for. The kernel releases the lock of a process that dies, so a lock
file left behind is harmless.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from tierchat.errors import UnsafePath


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, as it wrote itself down.

    `since` is when it took the lock, in seconds since 1970, 0 if it did not say; `note` is what it
    does.
    """

    pid: str
    host: str
    since: int = 0
    note: str = ""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another machine, which a home on a network drive makes possible."""
        return bool(self.host) and self.host != socket.gethostname()

    @property
    def begun(self) -> str:
        """When it took the lock, for people."""
        return time.strftime("%F %H:%M:%S", time.localtime(self.since)) if self.since else "?"

    def __str__(self) -> str:
        return f"PID {self.pid} on {self.host}" if self.is_elsewhere else f"PID {self.pid}"


class ProcessLock:
    """A file that one process keeps locked; raises UnsafePath where files cannot be locked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def take(self, note: str = "") -> bool:
        """Take the lock and write ourselves down; False when another process holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise UnsafePath(
                f"cannot lock {self._path}: {error.strerror}",
                "set TIERCHAT_HOME to a directory on a disk of this machine",
            ) from error
        os.ftruncate(self._file, 0)
        who = f"{os.getpid()} {socket.gethostname()} {int(time.time())} {note}\n"
        # On a full disk the lock holds without a name.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, who.encode(), 0)
        return True

    def holder(self) -> Holder:
        """Return what the process with the lock wrote."""
        return _written_in(self._file)

    def release(self) -> None:
        """Let the next process have the lock."""
        os.close(self._file)


def read_holder(path: Path) -> Holder | None:
    """Return the process that holds a lock; None if none does, or that cannot be found out."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written_in(file)
    except OSError:
        return None
    finally:
        os.close(file)
    return None


def _written_in(file: int) -> Holder:
    words = os.pread(file, 512, 0).decode(errors="replace").split(maxsplit=3)
    pid, host, since, note = (*words, "", "", "", "")[:4]
    return Holder(pid or "?", host, int(since) if since.isdecimal() else 0, note.strip())
