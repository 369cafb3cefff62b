"""The prompt as it is given: arguments, standard input, or both.

Does not know tiers or the daemon. `stdin_sharing.py` knows who else reads from standard input.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tierchat.decoding import REPLACEMENT, decode
from tierchat.errors import UsageError
from tierchat.terminal.units import size_text

MAX_STDIN_BYTES = 8 * 1024 * 1024
_TOLD_AFTER_S = 1.0
# How long something that may never end is given to say its first word.
_FIRST_WORD_S = 2.0
_READ_BYTES = 1 << 16
_CHOICE = "--stdin adds it, --no-stdin ignores it"
StdinRule = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class Stdin:
    """Standard input as a file descriptor; None if it is closed."""

    descriptor: int | None
    is_terminal: bool

    @classmethod
    def ours(cls) -> Stdin:
        """Look at descriptor 0 of this process."""
        try:
            os.fstat(0)
        except OSError:
            return cls(None, False)
        return cls(0, os.isatty(0))


@dataclass(frozen=True)
class Notices:
    """Where a person is told what happens to the input: `warn` loudly, `tell` in passing."""

    warn: Callable[[str], None]
    tell: Callable[[str], None]


def read_prompt(
    words: list[str],
    stdin: Stdin,
    rule: StdinRule,
    notices: Notices,
    *,
    may_be_empty: bool = False,
) -> str:
    """Join the arguments and standard input, with a blank line between them.

    `-` among the arguments means `always`. A prompt that `may_be_empty` is completed by a file or a
    template. Raises UsageError for an empty prompt otherwise, and for too much input.
    """
    if "-" in words:
        words, rule = [word for word in words if word != "-"], "always"
    argument = " ".join(words)
    has_more = may_be_empty or bool(argument.strip())
    parts = [argument, _from_stdin(has_more, stdin, rule, notices)]
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt and not may_be_empty:
        raise UsageError("the prompt is empty", 'write a question: tierchat ask "2+2"')
    return prompt


def readable(argument: str, notify: Callable[[str], None]) -> str:
    """Replace the lone surrogates into which Python turns bytes of an argument it cannot decode."""
    if argument.isascii():
        return argument
    try:
        # In a plain C locale even valid UTF-8 arrives this way.
        return argument.encode("utf-8", "surrogateescape").decode()
    except UnicodeDecodeError as error:
        data = bytes(error.object)
    except UnicodeEncodeError:
        data = argument.encode("utf-8", "surrogatepass")
    notify("an argument is not UTF-8 text; unreadable bytes are replaced by \ufffd")
    return data.decode("utf-8", "replace")


def read_stdin(stdin: Stdin, notices: Notices) -> str:
    """Read standard input to its end; raises UsageError if it is closed or cannot be read."""
    if stdin.descriptor is None:
        raise UsageError("standard input is closed", "give it a file or a pipe")
    try:
        data = read_to_end(
            stdin.descriptor, MAX_STDIN_BYTES, "standard input", _waiting(stdin), notices.warn
        )
    except OSError as error:
        raise UsageError(
            f"cannot read standard input: {error.strerror}", "--no-stdin goes on without it"
        ) from error
    return _decode(data, notices)


def read_to_end(
    descriptor: int, max_bytes: int, what: str, waiting: str, warn: Callable[[str], None]
) -> bytes:
    """Read a descriptor to its end, saying `waiting` once when that takes more than a second.

    Raises UsageError for more than `max_bytes`, and OSError.
    """
    data = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    tell_s = time.monotonic() + _TOLD_AFTER_S
    is_told = False
    while True:
        left_s = None if is_told else max(tell_s - time.monotonic(), 0)
        if not poll.poll(None if left_s is None else left_s * 1000):
            warn(waiting)
            is_told = True
            continue
        try:
            block = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            # Some parent processes hand over a non-blocking pipe.
            continue
        if not block:
            return bytes(data)
        data += block
        if len(data) > max_bytes:
            raise UsageError(
                f"{what} is larger than {max_bytes >> 20} MiB",
                "send a part of it, for instance with `head -c`",
            )


def _from_stdin(has_argument: bool, stdin: Stdin, rule: StdinRule, notices: Notices) -> str:
    if rule == "never" or stdin.descriptor is None:
        return ""
    if rule == "auto" and stdin.is_terminal:
        return ""
    if rule == "auto" and has_argument:
        if _is_read_to_its_end(stdin.descriptor):
            return ""
        if reason := _left_alone(stdin.descriptor):
            notices.warn(f"{reason} ({_CHOICE})")
            return ""
        if not _will_speak(stdin.descriptor):
            notices.warn(
                "nothing came from standard input, which may never end: going on without it "
                "(--stdin waits for it, --no-stdin ignores it)"
            )
            return ""
    text = read_stdin(stdin, notices)
    if has_argument:
        if text.strip():
            notices.tell(f"+ {size_text(len(text.encode()))} from standard input")
        elif not stat.S_ISCHR(os.fstat(stdin.descriptor).st_mode):
            notices.warn("standard input was empty")
    return text


def _is_read_to_its_end(descriptor: int) -> bool:
    """Whether somebody has read all of a file before us, as a loop has at its last line."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return False
    return os.lseek(descriptor, 0, os.SEEK_CUR) >= status.st_size


def _left_alone(descriptor: int) -> str | None:
    """Say why standard input is somebody else's; None if it is ours to read."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        if not os.lseek(descriptor, 0, os.SEEK_CUR):
            return None
        return "standard input was left alone: a part of this file was read before, as by a loop"
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        # Reads files in /proc, which only an argument beside a pipe has to pay for.
        from tierchat.cli.ask.stdin_sharing import other_reader

        if reader := other_reader(descriptor):
            return f"standard input was left alone: {reader} reads it, too"
    return None


def _will_speak(descriptor: int) -> bool:
    """Whether reading ends: a file and a pipe have an end, of anything else the first word tells.

    Editors and remote shells keep a socket open as long as they live; a pipe that we could write to
    ourselves never ends.
    """
    mode = os.fstat(descriptor).st_mode
    can_write = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    if stat.S_ISREG(mode) or (stat.S_ISFIFO(mode) and not can_write):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_FIRST_WORD_S * 1000))


def _waiting(stdin: Stdin) -> str:
    if stdin.is_terminal:
        return "reading what you type; Ctrl-D ends it"
    return "waiting for standard input to end; --no-stdin goes on without it"


def _decode(data: bytes, notices: Notices) -> str:
    found = decode(data)
    text = found.text
    if found.num_bad:
        notices.warn(
            f"standard input is not UTF-8 text; unreadable bytes are replaced by {REPLACEMENT}"
        )
    if "\0" in text:
        notices.warn(f"{text.count(chr(0))} NUL characters of standard input were dropped")
        text = text.replace("\0", "")
    return text.replace("\r\n", "\n").rstrip("\n")
