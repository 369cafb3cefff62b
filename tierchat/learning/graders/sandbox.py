"""Run untrusted Python with a test in a process of its own, and learn only whether it passed.

Does not know prompts. The child (`sandbox_child.py`) has an empty folder, no network, no files,
half a gigabyte, five seconds; it proves by a token that nobody can guess that the test ran to its
end. Safe to call from many threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_CHILD = Path(__file__).with_name("sandbox_child.py")
_MAX_SECONDS = 5.0
# A machine that is busy with models may give a child so little time that nothing can be said of it.
_LEAST_CPU_S = 1.0
_PATIENT_SECONDS = 30.0
_TOKEN_BYTES = 24


def passes(code: str, test: str, *, setup: str = "", entry_point: str = "") -> bool:
    """Return whether the code, run after `setup`, passes the test.

    `test` defines `check(candidate)`, which is called with the `entry_point`, or it asserts. A
    child that the clock ended with hardly any processor time gets one more try, and more patience.
    """
    order = {"code": code, "test": test, "setup": setup, "entry_point": entry_point}
    has_passed, cpu_s, is_late = _run(order, _MAX_SECONDS)
    if is_late and cpu_s < _LEAST_CPU_S:
        has_passed, _, _ = _run(order, _PATIENT_SECONDS)
    return has_passed


def _run(order: dict[str, str], max_seconds: float) -> tuple[bool, float, bool]:
    """Return whether the test passed, the seconds of processor time, and whether time ran out."""
    token = secrets.token_hex(_TOKEN_BYTES)
    reading, writing = os.pipe()
    try:
        with tempfile.TemporaryDirectory(prefix="tierchat-code-") as folder:
            try:
                child = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-B", str(_CHILD)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[writing],
                    cwd=folder,
                    env={"LANG": "C.UTF-8"},
                    start_new_session=True,
                )
            finally:
                os.close(writing)
            _send(child, {**order, "token": token, "result": writing})
            said, is_late = _hear(reading, max_seconds)
            return said == token.encode(), _end(child), is_late
    finally:
        os.close(reading)


def _send(child: subprocess.Popen[bytes], order: dict[str, object]) -> None:
    assert child.stdin is not None
    # A child that could not start reads nothing.
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(json.dumps(order).encode())


def _hear(reading: int, max_seconds: float) -> tuple[bytes, bool]:
    """Read until the child has closed its end; returns what it said, and whether time ran out."""
    end_s = time.monotonic() + max_seconds
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while (left_s := end_s - time.monotonic()) > 0:
            if selector.select(left_s):
                piece = os.read(reading, 4096)
                said += piece
                if not piece or len(said) > 2 * _TOKEN_BYTES:
                    return said, False
    return said, True


def _end(child: subprocess.Popen[bytes]) -> float:
    """Kill the child's group and reap the child; returns its seconds of processor time."""
    # Not reaped yet, so the number still belongs to its group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    [_, status, used] = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime
