"""Files that go with a prompt: read as text, named and fenced; binary files are refused.

Does not know terminals or the daemon.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from tierchat.cli.ask.stdin import Notices, Stdin, read_stdin, read_to_end
from tierchat.decoding import REPLACEMENT, decode
from tierchat.errors import UsageError
from tierchat.paths import shown
from tierchat.terminal.code_blocks import fence_for

MAX_FILE_BYTES = 8 * 1024 * 1024
_MAX_UNREADABLE = 0.01


def attach(paths: list[Path], stdin: Stdin, notices: Notices) -> str:
    """Read files into one text that is added to the prompt; `-` is standard input."""
    return "\n\n".join(_block(path, _text(path, stdin, notices)) for path in paths)


def read_text(path: Path, warn: Callable[[str], None]) -> str:
    """Read a text file; raises UsageError for one that is missing, too large or not text.

    A named pipe, such as that of `<(command)`, is read to its end.
    """
    path = Path(os.path.expanduser(path))
    try:
        # Opening a named pipe without a writer would otherwise wait without a word.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            _refuse_what_is_no_file(path, os.fstat(descriptor).st_mode)
            waiting = f"waiting for {path} to end; Ctrl-C stops"
            data = read_to_end(descriptor, MAX_FILE_BYTES, str(path), waiting, warn)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check the name") from error
    return _as_text(path, data, warn)


def _text(path: Path, stdin: Stdin, notices: Notices) -> str:
    if str(path) == "-":
        return read_stdin(stdin, notices)
    text = read_text(path, notices.warn)
    if not text.strip():
        notices.warn(f"{shown(path)} is empty")
    return text


def _refuse_what_is_no_file(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a directory", "name the files in it")
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise UsageError(
            f"{path} is neither a file nor a pipe", "pipe it into tierchat instead, with -f -"
        )


def _as_text(path: Path, data: bytes, warn: Callable[[str], None]) -> str:
    found = decode(data)
    if "\0" in found.text:
        raise UsageError(f"{path} is not text (it has NUL bytes)", _what_it_may_be(data))
    if found.num_bad > _MAX_UNREADABLE * max(len(found.text), 1):
        raise UsageError(f"{path} is not UTF-8 text", "convert it: iconv -t utf-8")
    if found.num_bad:
        warn(
            f"{path}: {found.num_bad} characters are not UTF-8 text and are replaced by "
            f"{REPLACEMENT}"
        )
    return found.text.replace("\r\n", "\n")


def _what_it_may_be(data: bytes) -> str:
    """Tell UTF-16 without a mark, in which every other byte of plain English is NUL."""
    for codec, first in (("utf-16le", 1), ("utf-16be", 0)):
        half = data[first::2]
        if 2 * half.count(0) > len(half) and 2 * data[1 - first :: 2].count(0) < len(half):
            return f"it may be UTF-16: iconv -f {codec} -t utf-8"
    return "tierchat reads text files only"


def _block(path: Path, text: str) -> str:
    name = "standard input" if str(path) == "-" else shown(Path(path.name))
    fence = fence_for(text)
    return f"{name}:\n{fence}\n{text.rstrip()}\n{fence}"
