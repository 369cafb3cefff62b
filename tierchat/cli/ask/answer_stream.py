"""An answer on its way to stdout: to a terminal piece by piece, to a pipe or file in whole lines.

Does not know events or the daemon.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tierchat.terminal.harmless import harmless
from tierchat.terminal.line_lock import LineLock
from tierchat.terminal.output import Output

if TYPE_CHECKING:
    from tierchat.terminal.markdown_stream import MarkdownStream

# A line that is not finished goes into a pipe after this time, so that a long one is seen to grow.
_UNFINISHED_S = 0.5
# So long the end of an answer waits for another command's line in the same pipe.
_MAX_WAIT_S = 60.0


class AnswerStream:
    """Writes one answer. What comes whole is one write, its line end included.

    Commands that run side by side, as with `xargs -P8`, share a pipe without mixing lines: while
    one of them writes a line in pieces, the others keep theirs.
    """

    def __init__(
        self,
        output: Output,
        markdown: MarkdownStream | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._output, self._markdown, self._now = output, markdown, now
        self._lock = LineLock(output.out_descriptor)
        self._kept = ""
        self._kept_s = 0.0
        self._ends_line = True
        self.has_begun = False

    def add(self, text: str) -> None:
        """Take a piece of the answer."""
        if self._markdown or self._output.is_out_terminal:
            self._write(text)
            return
        now = self._now()
        self._kept_s = self._kept_s if self._kept else now
        self._kept += text
        is_late = now - self._kept_s >= _UNFINISHED_S
        end = len(self._kept) if is_late else self._kept.rfind("\n") + 1
        if end and self._lock.take():
            ready, self._kept, self._kept_s = self._kept[:end], self._kept[end:], now
            self._write(ready)

    def whole(self, text: str) -> None:
        """Write an answer that is complete, with its line end."""
        if self._markdown:
            self._write(text)
        else:
            self._kept += text
        self.end()

    def end(self) -> None:
        """Write what is left, and end the line."""
        if self._markdown:
            rest = self._markdown.close() if not self._ends_line else ""
            self._ends_line = True
            self._output.rendered(rest)
            return
        ends_line = self._kept.endswith("\n") if self._kept else self._ends_line
        rest, self._kept = self._kept + ("" if ends_line else "\n"), ""
        if rest:
            self._lock.take(_MAX_WAIT_S)
            self._write(rest)

    def _write(self, text: str) -> None:
        self.has_begun = True
        if self._markdown:
            self._ends_line = False
            self._output.rendered(self._markdown.feed(harmless(text)))
        else:
            self._ends_line = text.endswith("\n")
            self._output.answer(text)
            if self._ends_line:
                self._lock.give_back()
