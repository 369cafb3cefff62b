"""The socket of one home, where at most one daemon listens.

Does not know what is said over the socket.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from tierchat.errors import UnsafePath

_BACKLOG = 256


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
