"""The socket and the lock of one home: at most one daemon listens.

Does not know what is said over the socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from tierchat.errors import UnsafePath

_BACKLOG = 256


@dataclass(frozen=True)
class Holder:
    """The daemon that holds a lock, as it wrote itself down: its PID, and the machine it is on."""

    pid: str
    host: str

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another machine, which a home on a network drive makes possible."""
        return bool(self.host) and self.host != socket.gethostname()

    def __str__(self) -> str:
        return f"PID {self.pid} on {self.host}" if self.is_elsewhere else f"PID {self.pid}"


class DaemonLock:
    """A file that the running daemon keeps locked; the kernel unlocks it when the daemon dies.

    Raises UnsafePath where files cannot be locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def take(self) -> bool:
        """Take the lock and write ourselves down; False when another daemon holds it."""
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
        # On a full disk the lock holds without a name.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        return True

    def holder(self) -> Holder:
        """Return what the daemon with the lock wrote."""
        return _written_in(self._file)


def read_holder(path: Path) -> Holder | None:
    """Return the daemon that holds a lock; None if no daemon does, or that cannot be found out."""
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
    pid, host = (*os.pread(file, 512, 0).decode(errors="replace").split(), "", "")[:2]
    return Holder(pid or "?", host)


def bind(path: Path) -> socket.socket:
    """Listen on a Unix socket in place of one that a dead daemon left behind.

    The caller holds the lock. Raises UnsafePath if the path is taken by anything but a socket of
    our user, or if there can be no socket.
    """
    remove_socket(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise UnsafePath(
            f"cannot make the socket {path}: {error.strerror or error}",
            "not every network or USB drive takes sockets: set TIERCHAT_HOME to a directory on a "
            "disk of this machine",
        ) from error
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
