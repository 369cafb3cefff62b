"""HTTP over the daemon's Unix socket, with an eye on the process at its other end.

Does not know what is asked of the daemon.
"""

from __future__ import annotations

import http.client
import select
import socket
import time
from collections.abc import Mapping
from typing import Any

from tierchat.errors import DaemonUnreachable
from tierchat.paths import Paths
from tierchat.service.openai_format import HOME_HEADER
from tierchat.service.peer import peer_of
from tierchat.service.processes import is_stopped

_LOOK_S = 1.0


class DaemonConnection(http.client.HTTPConnection):
    """One connection; every request says for which home it is meant.

    Connecting and reading raise DaemonUnreachable for a daemon that was stopped by a signal: the
    system keeps its socket open, and nothing would ever come. `pid` is known once connected.
    """

    def __init__(self, paths: Paths, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._paths = paths
        self.pid: int | None = None

    def connect(self) -> None:
        self.sock = watched = _WatchedSocket(socket.AF_UNIX)
        watched.settimeout(self.timeout)
        watched.connect(str(self._paths.socket))
        peer = peer_of(watched)
        self.pid = watched.pid = peer.pid if peer else None
        watched.check()

    def ask(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """Send a request and return the beginning of its reply."""
        headers: Mapping[str, str] = {HOME_HEADER: self._paths.home_id}
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        self.request(method, path, body, headers)
        return self.getresponse()

    def silent(self, seconds: float) -> DaemonUnreachable:
        """Describe a daemon that is there and does not answer."""
        who = f" (PID {self.pid})" if self.pid else ""
        return DaemonUnreachable(
            f"the daemon{who} did not answer within {seconds:g} s",
            f"`tierchat daemon down` ends it; the log: {self._paths.daemon_log}",
        )


class _WatchedSocket(socket.socket):
    """A socket that looks at the daemon's process while it waits for data."""

    pid: int | None = None

    def check(self) -> None:
        """Raise DaemonUnreachable if the daemon was stopped."""
        if self.pid is not None and is_stopped(self.pid):
            raise DaemonUnreachable(
                f"the daemon (PID {self.pid}) is stopped and does not answer",
                f"`kill -CONT {self.pid}` lets it go on, `tierchat daemon down` ends it",
            )

    def recv_into(self, *arguments: Any) -> int:
        timeout_s = self.gettimeout()
        ends_s = None if timeout_s is None else time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self, select.POLLIN)
        while not poll.poll(_LOOK_S * 1000):
            self.check()
            if ends_s is not None and time.monotonic() > ends_s:
                raise TimeoutError("timed out")
        return super().recv_into(*arguments)
