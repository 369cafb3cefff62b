"""Files that go with a prompt: read as text, named and fenced; binary files are refused.

Does not know terminals or the daemon.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from tierchat.errors import UsageError
from tierchat.terminal.code_blocks import fence_for

MAX_FILE_BYTES = 8 * 1024 * 1024
_MAX_UNREADABLE = 0.01


def attach(paths: list[Path], notify: Callable[[str], None]) -> str:
    """Read files into one text that is added to the prompt."""
    return "\n\n".join(_block(path, read_text(path, notify)) for path in paths)


def read_text(path: Path, notify: Callable[[str], None]) -> str:
    """Read a text file; raises UsageError for one that is missing, too large or not text."""
    path = Path(os.path.expanduser(path))
    try:
        # Opening a named pipe without a writer would otherwise wait for ever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISDIR(mode):
                raise UsageError(f"{path} is a directory", "name the files in it")
            if not stat.S_ISREG(mode):
                raise UsageError(f"{path} is not a regular file", "pipe it into tierchat instead")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check the name") from error
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB", "send a part of it")
    if b"\0" in data:
        raise UsageError(f"{path} is not text (it has NUL bytes)", "tierchat reads text files only")
    text = data.decode("utf-8-sig", "replace")
    num_bad = text.count("\ufffd")
    if num_bad > _MAX_UNREADABLE * max(len(text), 1):
        raise UsageError(f"{path} is not UTF-8 text", "convert it: iconv -t utf-8")
    if num_bad:
        notify(f"{path}: {num_bad} characters are not UTF-8 text and are replaced by \ufffd")
    return text.replace("\r\n", "\n")


def _block(path: Path, text: str) -> str:
    fence = fence_for(text)
    return f"{path.name}:\n{fence}\n{text.rstrip()}\n{fence}"
