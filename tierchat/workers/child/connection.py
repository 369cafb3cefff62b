"""The child's end of the socket to its parent: frames in, frames out.

Does not know what frames mean.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
from collections.abc import Callable, Sequence

from tierchat.errors import TierchatError
from tierchat.workers.child.long_texts import Counted
from tierchat.workers.child.texts import Tokens
from tierchat.workers.protocol import (
    Cancel,
    FrameReader,
    FromWorker,
    LoadModel,
    RequestOrder,
    SetThreads,
    ToWorker,
    encode,
)

_READ_BYTES = 1 << 16
# What the engine's thread waits for; None is the end of the connection.
Arrival = RequestOrder | Cancel | SetThreads | Counted | Tokens | None


class Connection:
    """The socket to the parent: a thread reads orders, the engine's thread writes."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.inbox: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._reader = FrameReader(ToWorker)
        self._ready: list[object] = []
        self._interrupt: Callable[[], None] = lambda: None

    def read_load(self) -> LoadModel | None:
        """Wait for the first frame; None if the parent is gone or sends something else."""
        while not self._ready:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                return None
            self._ready += self._reader.feed(data)
        first = self._ready.pop(0)
        return first if isinstance(first, LoadModel) else None

    def start_reading(self, interrupt: Callable[[], None]) -> None:
        """Put every further order into `inbox`, and None at the end of the connection.

        A `Cancel` that cannot wait calls `interrupt` from the reading thread.
        """
        self._interrupt = interrupt
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def send(self, frames: Sequence[FromWorker]) -> None:
        """Write frames in one call; raises OSError when the parent is gone."""
        if frames:
            self._socket.sendall(b"".join(encode(frame) for frame in frames))

    def _read(self) -> None:
        try:
            while True:
                for frame in self._ready:
                    if isinstance(frame, RequestOrder | Cancel | SetThreads):
                        self.inbox.put(frame)
                    if isinstance(frame, Cancel) and frame.at_once:
                        self._interrupt()
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    break
                self._ready = self._reader.feed(data)
        except (OSError, TierchatError, ValueError) as error:
            print(f"orders cannot be read: {error}", file=sys.stderr)
        self.inbox.put(None)
