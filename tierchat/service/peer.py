"""Who is at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True)
class Peer:
    """The process that connected, or that listens, and its user."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """Ask the kernel; None where it cannot tell (then only the directory's mode protects)."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    pid, uid, _gid = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    )
    return Peer(pid, uid)
