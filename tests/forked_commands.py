"""Commands of tierchat as forks of one process that has imported them; the tests run hundreds.

Each of them is a process with arguments, environment, streams and an exit code of its own. What a
fork saves is the time that Python takes to start and to import, which is most of a short command.
Does not know homes or what a command does.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_ROOMS = ("cli", "terminal", "config", "conversations", "models")
# Some of these import numpy, which has threads, and a fork has only one; mcp is an extra.
_LATER = tuple(f"tierchat.cli.actions.{name}" for name in ("eval", "eval_lines", "mcp", "train"))
# That of the test session, before any test changes it.
ENV = dict(os.environ)
LENGTH = struct.Struct("!I")
# What Python and its libraries read as they start: with another value a command starts afresh.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")


class ForkedCommands:
    """The client of the process that forks, which runs one command at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**ENV, "PYTHONPATH": python_path(ENV)},
            )
        self._socket = ours
        self._lock = threading.Lock()

    def run(
        self, command: list[str], env: Mapping[str, str], stdin: bytes | None, timeout_s: float
    ) -> subprocess.CompletedProcess[bytes] | None:
        """Run `python -m tierchat ...` to its end; without `stdin` it is /dev/null.

        None if the command has to be started: another command runs, or Python reads something in
        this environment as it starts.
        """
        if not starts_alike(env) or not self._lock.acquire(blocking=False):
            return None
        try:
            return self._run(command, env, stdin, timeout_s)
        finally:
            self._lock.release()

    def _run(
        self, command: list[str], env: Mapping[str, str], stdin: bytes | None, timeout_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        (given, feed), (read_out, out), (read_err, err) = os.pipe(), os.pipe(), os.pipe()
        read_status, status = os.pipe()
        if stdin is None:
            os.close(given)
            given = os.open(os.devnull, os.O_RDONLY)
        try:
            send(self._socket, command[3:], env, [given, out, err, status])
        finally:
            for descriptor in (given, out, err, status):
                os.close(descriptor)
        with ThreadPoolExecutor(3) as threads:
            threads.submit(_write_all, feed, stdin or b"")
            found = [threads.submit(_read_all, descriptor) for descriptor in (read_out, read_err)]
            with open(read_status, "rb", buffering=0) as lines:
                pid = int(_line(lines, timeout_s))
                try:
                    code = int(_line(lines, timeout_s))
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise
            return subprocess.CompletedProcess(
                command, os.waitstatus_to_exitcode(code), *(each.result() for each in found)
            )

    def close(self) -> None:
        """End the process that forks."""
        self._socket.close()
        self._process.wait()


def send(
    connection: socket.socket,
    arguments: list[str],
    env: Mapping[str, str],
    descriptors: list[int],
) -> None:
    """Order a fork with these arguments; `descriptors` are its three streams, and more."""
    order = {
        "arguments": arguments,
        "env": [[os.fsencode(text).decode("latin-1") for text in pair] for pair in env.items()],
        "folder": os.getcwd(),
    }
    raw = json.dumps(order).encode()
    socket.send_fds(connection, [LENGTH.pack(len(raw))], descriptors)
    connection.sendall(raw)


def starts_alike(env: Mapping[str, str]) -> bool:
    names = {name for name in (*env, *ENV) if name.startswith(_READ_AT_START)}
    return all(env.get(name) == ENV.get(name) for name in names)


def python_path(env: Mapping[str, str]) -> str:
    return os.pathsep.join(filter(None, (str(_ROOT), env.get("PYTHONPATH"))))


def _write_all(descriptor: int, data: bytes) -> None:
    # A command need not read all that it is given.
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb") as file:
        file.write(data)


def _read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


def _line(lines: object, timeout_s: float) -> bytes:
    if not select.select([lines], [], [], timeout_s)[0]:
        raise TimeoutError(f"the command did not end within {timeout_s} s")
    found: bytes = lines.readline()  # type: ignore[attr-defined]
    assert found, "the process that forks has died"
    return found


def _import_commands() -> None:
    """Import what commands import; some libraries stay for the fork to import."""
    for room in _ROOMS:
        package = importlib.import_module(f"tierchat.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not f"{module.name}.".startswith(tuple(f"{name}." for name in _LATER)):
                importlib.import_module(module.name)
    assert "numpy" not in sys.modules and threading.active_count() == 1, "forks want no threads"


def received(connection: socket.socket) -> tuple[dict[str, object], list[int]] | None:
    """Wait for the next order and its streams; None when the tests are over."""
    head, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, 4)
    if not head:
        return None
    raw = b""
    while len(raw) < LENGTH.unpack(head)[0]:
        raw += connection.recv(1 << 16)
    return json.loads(raw), descriptors


def become_command(order: dict[str, object], streams: list[int]) -> None:
    """Give this fork what a new process would have."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environb.clear()
    for name, value in order["env"]:  # type: ignore[attr-defined]
        os.environb[name.encode("latin-1")] = value.encode("latin-1")
    time.tzset()
    os.chdir(str(order["folder"]))
    sys.argv[1:] = order["arguments"]  # type: ignore[assignment]
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        fresh = open(  # noqa: SIM115
            number, "w" if number else "r", encoding=stream.encoding, errors=stream.errors
        )
        setattr(sys, stream.name.strip("<>"), fresh)


def _serve(connection: socket.socket) -> None:
    """Fork a command for each order and tell how it ended; returns in the fork."""
    # What a fork does not write to, it need not copy.
    gc.collect()
    gc.freeze()
    while found := received(connection):
        order, (*streams, status) = found
        pid = os.fork()
        if pid == 0:
            connection.close()
            os.close(status)
            return become_command(order, streams)
        for stream in streams:
            os.close(stream)
        os.write(status, f"{pid}\n".encode())
        # Nobody hears of the end of a command that took too long.
        with contextlib.suppress(BrokenPipeError):
            os.write(status, f"{os.waitpid(pid, 0)[1]}\n".encode())
        os.close(status)
    os._exit(0)


def end(code: int) -> None:
    """End as Python does, without taking apart the modules, whose memory a fork would copy."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _import_commands()
    with socket.socket(fileno=int(sys.argv[1])) as tests:
        _serve(tests)
    from tierchat.__main__ import run

    end(run())
