"""The prompt as it is given: arguments, standard input, or both.

Does not know tiers or the daemon.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tierchat.errors import UsageError

MAX_STDIN_BYTES = 8 * 1024 * 1024
_POLL_S = 0.5
_READ_BYTES = 1 << 16
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


def read_prompt(
    words: list[str],
    stdin: Stdin,
    rule: StdinRule,
    notify: Callable[[str], None],
    *,
    may_be_empty: bool = False,
) -> str:
    """Join the arguments and standard input, with a blank line between them.

    `-` among the arguments means `always`. A prompt that `may_be_empty` is completed by a file or a
    template, so standard input is not waited for. Raises UsageError for an empty prompt otherwise,
    and for too much input.
    """
    if "-" in words:
        words, rule = [word for word in words if word != "-"], "always"
    argument = " ".join(words)
    has_more = may_be_empty or bool(argument.strip())
    parts = [argument, _from_stdin(has_more, stdin, rule, notify)]
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


def _from_stdin(
    has_argument: bool, stdin: Stdin, rule: StdinRule, notify: Callable[[str], None]
) -> str:
    if rule == "never" or stdin.descriptor is None:
        return ""
    if rule == "auto" and stdin.is_terminal:
        return ""
    if rule == "auto" and has_argument and not _has_something(stdin.descriptor):
        notify(
            "nothing came from standard input, going on without it (--stdin waits for it, "
            "--no-stdin ignores it)"
        )
        return ""
    try:
        data = _read_all(stdin.descriptor)
    except OSError as error:
        raise UsageError(
            f"cannot read standard input: {error.strerror}", "--no-stdin goes on without it"
        ) from error
    return _decode(data, notify)


def _has_something(descriptor: int) -> bool:
    """Wait a moment for data or the end of input; a regular file always has either."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return True
    return bool(select.select([descriptor], [], [], _POLL_S)[0])


def _read_all(descriptor: int) -> bytes:
    data = bytearray()
    while block := _next_block(descriptor):
        data += block
        if len(data) > MAX_STDIN_BYTES:
            raise UsageError(
                f"standard input is larger than {MAX_STDIN_BYTES // 1024 // 1024} MiB",
                "send a part of it, for instance with `head -c`",
            )
    return bytes(data)


def _next_block(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            # Some parent processes hand over a non-blocking pipe.
            select.select([descriptor], [], [])


def _decode(data: bytes, notify: Callable[[str], None]) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace").removeprefix("\ufeff")
        notify("standard input is not UTF-8 text; unreadable bytes are replaced by \ufffd")
    if "\0" in text:
        notify(f"{text.count(chr(0))} NUL characters of standard input were dropped")
        text = text.replace("\0", "")
    return text.replace("\r\n", "\n").rstrip("\n")
