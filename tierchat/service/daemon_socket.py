"""The socket and the lock of one home: at most one daemon listens.

Does not know what is said over the socket.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from pathlib import Path

from tierchat.errors import UnsafePath

_BACKLOG = 256


class DaemonLock:
    """A file that the running daemon keeps locked; the kernel unlocks it when the daemon dies."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def take(self) -> bool:
        """Take the lock and write our PID; False when another daemon holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return True

    def holder(self) -> str:
        """Return the PID that the daemon with the lock wrote."""
        return os.pread(self._file, 32, 0).decode(errors="replace").strip() or "?"


def bind(path: Path) -> socket.socket:
    """Listen on a Unix socket in place of one that a dead daemon left behind.

    The caller holds the lock. Raises UnsafePath if the path is taken by anything but a socket of
    our user.
    """
    remove_socket(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    return listener


def remove_socket(path: Path) -> None:
    """Delete our user's socket, if there is one; raises UnsafePath for anything else."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.getuid():
        raise UnsafePath(
            f"{path} is not a socket of ours", "move it away; tierchat does not delete it"
        )
    path.unlink()
