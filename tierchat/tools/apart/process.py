"""The other end of the process that runs tools: sends a call, waits for its reply, or ends it.

Does not know what a tool does. Used by one thread at a time; `close` leaves nothing running.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from tierchat.tools.apart import child
from tierchat.tools.failure import ToolFailed

_MAX_REPLY_BYTES = 8_000_000
# What a child needs to find Python's packages, and to know the time and language of the person.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "VIRTUAL_ENV")


class ToolProcess:
    """A process for tools; started with the first call, and again after one that was ended."""

    def __init__(self, folders: tuple[Path, ...] = (), timeout_s: float = 10.0) -> None:
        self._folders = tuple(str(folder) for folder in folders)
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, tool: str, arguments: dict[str, Any]) -> str:
        """Run one call; raises ToolFailed for what went wrong, and when the time is over."""
        running = self._running()
        assert running.stdin is not None and running.stdout is not None
        order = child.Order(tool, arguments, self._folders)
        line = b""
        try:
            running.stdin.write(msgspec.json.encode(order) + b"\n")
            running.stdin.flush()
            line = self._line(running.stdout.fileno(), tool)
        except OSError as error:
            raise ToolFailed(f"{tool} ended before it had a result") from error
        finally:
            # After Ctrl-C, or when a call is late: what it does is of no use any more.
            if not line:
                self.close()
        reply = msgspec.json.decode(line, type=child.Reply)
        if reply.is_failed:
            raise ToolFailed(reply.text)
        return reply.text

    def close(self) -> None:
        """End the process and all that it has started."""
        running, self._child = self._child, None
        if running is None:
            return
        for pipe in (running.stdin, running.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        # Not reaped yet, so that the number still belongs to its group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self.close()
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-B", "-m", child.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                # Ctrl-C at the terminal is for the command, which then ends this process.
                start_new_session=True,
            )
        return self._child

    def _line(self, descriptor: int, tool: str) -> bytes:
        ends_s = time.monotonic() + self._timeout_s
        read = b""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while (left_s := ends_s - time.monotonic()) > 0:
                if not selector.select(left_s):
                    continue
                piece = os.read(descriptor, 65_536)
                read += piece
                if not piece or len(read) > _MAX_REPLY_BYTES:
                    raise BrokenPipeError
                if read.endswith(b"\n"):
                    return read
        raise ToolFailed(f"{tool} took longer than {self._timeout_s:g} s")
