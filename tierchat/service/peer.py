"""The process and user at the other end of a Unix socket, as the kernel reports them.

Does not know what is said over the socket, or who may connect.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True)
class Peer:
    """The process that connected or that listens, and its user."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """Return the peer; None where the kernel cannot report it, as on macOS.

    There only the mode of the socket's directory keeps other users out.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    pid, uid, _gid = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    )
    return Peer(pid, uid)
