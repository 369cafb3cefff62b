"""The tool `shell`: one command in the shell of this machine, bounded in time and output.

Does not know who allows it; nothing calls it that has not asked.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time

from tierchat.config.settings import KEY_VARIABLE
from tierchat.tools.failure import ToolFailed

_MAX_SECONDS = 120.0
_MAX_BYTES = 256_000


def shell(command: str) -> str:
    """Run a command in the shell; the person sees it and confirms it each time.

    Args:
        command: one line, as for sh -c
    """
    if not command.strip():
        raise ToolFailed("there is no command")
    if "\0" in command:
        raise ToolFailed("a command has no NUL in it")
    # The key of a tierchat elsewhere is none of its business.
    env = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    child = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        start_new_session=True,
    )
    try:
        output, why = _heard(child)
    finally:
        # Not reaped yet, so that the number still belongs to its group.
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    text = output.decode("utf-8", "replace").rstrip("\n")
    ended = why or f"exit code {child.returncode}"
    return f"{text}\n({ended})" if text else f"(no output, {ended})"


def _heard(child: subprocess.Popen[bytes]) -> tuple[bytes, str]:
    """Return what a command prints, and why it was ended if it was."""
    assert child.stdout is not None
    ends_s, output = time.monotonic() + _MAX_SECONDS, b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while (left_s := ends_s - time.monotonic()) > 0:
            if not selector.select(left_s):
                continue
            piece = os.read(child.stdout.fileno(), 65_536)
            if not piece:
                child.wait()
                return output, ""
            output += piece
            if len(output) > _MAX_BYTES:
                return output[:_MAX_BYTES], "ended: it printed too much"
    return output, f"ended after {_MAX_SECONDS:g} s"
