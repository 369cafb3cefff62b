"""The log of calls: every call of a tool, run or refused, one JSON object a line.

Does not know who asked. Where it cannot be written, calls are run all the same.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator

import msgspec

from tierchat.atomic_file import append_quietly
from tierchat.paths import Paths
from tierchat.tool_calls import ToolRun

_MAX_BYTES = 4_000_000
_MAX_CHARS = 2_000


class LoggedCall(msgspec.Struct, frozen=True):
    """One line of the log. A call of a conversation that is not saved has no words in it."""

    at: str
    tool: str
    tier: str
    is_failed: bool
    seconds: float
    arguments: str | None = None
    result: str | None = None


class CallLog:
    """The log of one home; with `has_words` what was asked for and found is written, too."""

    def __init__(self, paths: Paths, *, has_words: bool) -> None:
        self._path = paths.calls_log
        self._has_words = has_words

    def add(self, run: ToolRun) -> None:
        """Write a call that was run or refused."""
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        call = LoggedCall(at, run.tool[:128], run.tier, run.is_failed, round(run.seconds, 3))
        if self._has_words:
            call = msgspec.structs.replace(
                call, arguments=run.arguments[:_MAX_CHARS], result=run.result[:_MAX_CHARS]
            )
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, flags, 0o600)
            try:
                append_quietly(descriptor, msgspec.json.encode(call).decode())
                if os.fstat(descriptor).st_size > _MAX_BYTES:
                    self._path.replace(self._path.with_suffix(".old.jsonl"))
            finally:
                os.close(descriptor)


def logged_calls(paths: Paths) -> Iterator[LoggedCall]:
    """Read the log, the oldest call first; lines that are no calls are passed over."""
    try:
        lines = paths.calls_log.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=LoggedCall)
