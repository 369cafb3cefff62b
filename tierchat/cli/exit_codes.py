"""The exit codes of a command that ended without an error of tierchat's own.

Does not know the codes of errors: `errors.py` draws those beside their classes.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells the shell; 130 and 141 are 128 and the signal, as in any shell."""

    DONE = 0
    FAILED = 1
    BELOW_ASKED = 8
    UNANSWERED = 9
    INTERRUPTED = 130
    STDOUT_CLOSED = 141
