"""Scripted daemons as forks of one process that has imported what they import.

Each is a process with arguments, environment, streams, session and exit code of its own. Starting
Python for it would take most of its processor time. Does not know homes.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from tests.forked_commands import ENV, become_command, end, python_path, received, send


class ForkedDaemon:
    """What tests use of subprocess.Popen, for a process that is the child of another one."""

    def __init__(self, status: int) -> None:
        """`status` is a pipe that tells the process id, and in the end the status."""
        # Not buffered, since a later line may not be taken with the first.
        self._lines = open(status, "rb", buffering=0)  # noqa: SIM115
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the daemon runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the daemon has ended; raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._lines], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked daemon", timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._lines.readline()))
            self._lines.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the daemon has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkedDaemons:
    """The client of the process that forks daemons."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**ENV, "PYTHONPATH": python_path(ENV)},
            )

    def start(self, arguments: list[str], env: Mapping[str, str]) -> ForkedDaemon:
        """Start a daemon with these arguments, in a session of its own; its stdout is lost."""
        read_status, status = os.pipe()
        with open(os.devnull, "r+b", buffering=0) as nothing:
            streams = [nothing.fileno(), nothing.fileno(), 2]
            send(self._socket, arguments, env, [*streams, status])
        os.close(status)
        return ForkedDaemon(read_status)

    def close(self) -> None:
        """End the process that forks; daemons go on."""
        self._socket.close()
        self._process.wait()


def _serve(connection: socket.socket) -> None:
    """Fork a daemon for each order; returns in the fork. Another fork waits for its end."""
    gc.collect()
    gc.freeze()
    while found := received(connection):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        order, (*streams, status) = found
        if os.fork() == 0:
            connection.close()
            pid = os.fork()
            if pid == 0:
                os.close(status)
                os.setsid()
                return become_command(order, streams)
            os.setsid()
            for stream in streams:
                os.close(stream)
            os.write(status, b"%d\n" % pid)
            # The test may have ended.
            with contextlib.suppress(BrokenPipeError):
                os.write(status, b"%d\n" % os.waitpid(pid, 0)[1])
            os._exit(0)
        for descriptor in (*streams, status):
            os.close(descriptor)
    os._exit(0)


if __name__ == "__main__":
    from tests.scripted_daemon import main

    assert "numpy" not in sys.modules and threading.active_count() == 1, "forks want no threads"
    with socket.socket(fileno=int(sys.argv[1])) as tests:
        _serve(tests)
    end(main())
