"""One question to a person at a terminal: yes or no. Does not know what about."""

from __future__ import annotations

import sys

from tierchat.errors import UsageError
from tierchat.terminal.output import Output


def confirm(output: Output, question: str, *, is_sure: bool) -> None:
    """Ask unless sure; raises UsageError for a no, or when nobody is there to answer."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to answer", "-y means yes")
    output.question(f"{question} [Y/n] ")
    try:
        said = sys.stdin.readline()
    except UnicodeDecodeError:
        said = "?"
    if said.strip().casefold() not in ("", "y", "yes") or not said:
        raise UsageError("nothing was changed")
