"""Whether a process runs, or was stopped by a signal, as far as the system tells.

Does not know daemons or workers.
"""

from __future__ import annotations

import os
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether a process is running; a zombie is not."""
    state = _state(pid)
    if state is not None or Path("/proc/self").exists():
        return state not in (None, "Z")
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped, by SIGSTOP or a debugger; False where that is not known."""
    return _state(pid) in ("T", "t")


def _state(pid: int) -> str | None:
    """Return the letter of a process's state; None without such a process, or without /proc."""
    try:
        # The name of the program stands before it, in parentheses.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1].decode()
    except OSError:
        return None
