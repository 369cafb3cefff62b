"""A yes-or-no question to the person at the terminal. Does not know the subject."""

from __future__ import annotations

import sys

from tierchat.errors import UsageError
from tierchat.terminal.output import Output


def confirm(output: Output, question: str, *, is_sure: bool, default: bool) -> None:
    """Ask unless `is_sure`; `default` is what Enter means, and is False for what destroys.

    Raises UsageError when the answer is no, and when there is no terminal to ask at.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask at", "-y answers yes")
    if not is_yes(output, question, default=default):
        raise UsageError("nothing was changed")


def is_yes(output: Output, question: str, *, default: bool) -> bool:
    """Ask at the terminal; `default` is what Enter means."""
    output.question(f"{question} {'[Y/n]' if default else '[y/N]'} ")
    return _reads_yes(default)


def _reads_yes(default: bool) -> bool:
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        return False
    if line.strip():
        return line.strip().casefold() in ("y", "yes")
    # Ctrl-D gives no line at all, and is never a yes.
    return default and bool(line)
