"""Reads the calls in an answer while it is written, and passes on the text that is none.

Does not know tokens, nor whether a call fits its tool. What may be the beginning of a call is kept
back until that is clear, so that none of it is ever shown as text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from tierchat.workers.child.tool_calls.bare_calls import BareValue, is_call, start_of
from tierchat.workers.child.tool_calls.bodies import read_body
from tierchat.workers.child.tool_calls.marks import Mark, first_mark, overlap
from tierchat.workers.child.tool_calls.written_call import BrokenCall, WrittenCall

# Behind calls models invent results; so much of that is read in case that another call follows.
_MAX_AFTER_CHARS = 200
_FENCE_LINE = re.compile(r"\s*```[ \t]*\w*\s*")


class CallReader:
    """Takes the text of one answer, piece by piece."""

    def __init__(self, marks: Sequence[Mark], known: Collection[str]) -> None:
        """`known` are the names of the tools."""
        self._marks = tuple(marks)
        self._known = known
        self._text = ""
        self._mark: Mark | None = None
        self._is_bare = False
        # `_judged_at`: how long a text at a bracket must be to be judged again.
        self._value, self._judged_at = BareValue(), 0
        self._is_line = True
        self._num_seen = 0
        self._num_after = 0
        self._calls: list[WrittenCall] = []
        self._broken: BrokenCall | None = None
        self.has_calls = False

    @property
    def is_pending(self) -> bool:
        """Whether there is text that is, or may become, a call."""
        return self._mark is not None or self._is_bare or bool(self._text.strip())

    @property
    def opened(self) -> tuple[Mark, str] | None:
        """The mark of the call that is being written, and its text so far; None outside one."""
        return (self._mark, self._text) if self._mark else None

    @property
    def is_over(self) -> bool:
        """Whether so much other text follows the calls that no more of it needs to be written."""
        return self._num_after > _MAX_AFTER_CHARS

    def take(self) -> list[WrittenCall]:
        """Return the calls that have become whole since the last time."""
        taken, self._calls = self._calls, []
        return taken

    def add(self, text: str) -> str:
        """Return the text that is no call and may be shown; raises BrokenCall.

        Text before a broken call comes first, and the error with the next piece or the end.
        """
        if self._broken:
            raise self._broken
        self._text += text
        shown = ""
        while True:
            before = (self._text, self._mark, self._is_bare)
            try:
                shown += self._said(self._step())
            except BrokenCall as error:
                self._broken = error
                if not shown:
                    raise
                return shown
            if before == (self._text, self._mark, self._is_bare):
                return shown

    def end(self, *, is_whole: bool) -> str:
        """Return the rest that is no call; raises BrokenCall for a call that is cut or unreadable.

        A call that lacks nothing but its closing mark is one, if the answer `is_whole`.
        """
        if self._broken:
            raise self._broken
        text, self._text = self._text, ""
        mark, self._mark = self._mark, None
        is_bare, self._is_bare = self._is_bare, False
        if mark:
            self._read(mark.body(text), is_whole=is_whole)
            return ""
        if is_bare:
            self._read(text, is_whole=is_whole)
            return ""
        return self._said(text)

    def _step(self) -> str:
        if self._mark:
            return self._inside(self._mark)
        if self._is_bare:
            return self._inside_bare()
        return self._outside()

    def _said(self, text: str) -> str:
        """Text behind calls is not shown."""
        if not self.has_calls:
            return text
        self._num_after += len(text.strip())
        return ""

    def _outside(self) -> str:
        if self.has_calls and self._is_line:
            # What separates calls.
            self._text = self._text.lstrip(" ;,\t\n")
        if not self._text or self._text.isspace():
            # Blanks may precede a call.
            return ""
        found = first_mark(self._text, self._marks)
        start = start_of(self._text, is_line=self._is_line)
        if start is not None and found and _FENCE_LINE.fullmatch(self._text[start : found[0]]):
            return self._open(found[1], start, found[0])
        if start is not None and (found is None or start < found[0]):
            return self._at_bracket(start)
        if found:
            return self._open(found[1], found[0], found[0])
        kept = max(overlap(self._text, mark.opens) for mark in self._marks)
        return self._cut(len(self._text) - kept)

    def _open(self, mark: Mark, end: int, at: int) -> str:
        """Begin a call whose mark stands at a place, after text up to an `end`."""
        shown = self._text[:end].rstrip()
        self._mark, self._text = mark, self._text[at + len(mark.opens) :]
        return shown

    def _at_bracket(self, start: int) -> str:
        text = self._text[start:]
        whole, verdict = self._value.whole(text), None
        if whole or len(text) >= self._judged_at:
            verdict = is_call(text, self._known, [mark.opens for mark in self._marks])
            # Long texts are not read again for every letter.
            self._judged_at = len(text) + len(text) // 64
        if verdict is None:
            if whole is None:
                return self._cut(start)
            verdict = self._is_known_call(whole[0])
        if verdict:
            self._is_bare = True
            return self._cut(start)
        # Only the bracket is surely no beginning; what follows is looked at again.
        blanks = len(text) - len(text.lstrip())
        return self._cut(start + blanks + 1, keeps_blanks=False)

    def _is_known_call(self, value: str) -> bool:
        try:
            return all(call.name in self._known for call in read_body(value, self._known))
        except BrokenCall:
            return False

    def _inside(self, mark: Mark) -> str:
        closes = mark.closes or mark.opens
        at = self._text.find(closes, max(0, self._num_seen - len(closes)))
        self._num_seen = len(self._text) if at < 0 else 0
        if at >= 0:
            body, self._text = self._text[:at], self._text[at + len(closes) :]
            # Another opening mark closes a call whose family has no closing one.
            self._mark = mark if not mark.closes else None
            self._read(mark.body(body), is_whole=True)
        return ""

    def _inside_bare(self) -> str:
        whole = self._value.whole(self._text)
        if whole:
            value, self._text = whole
            self._is_bare = False
            self._read(value, is_whole=True)
        return ""

    def _read(self, body: str, *, is_whole: bool) -> None:
        self._value, self._judged_at = BareValue(), 0
        self._calls += read_body(body, self._known, is_whole=is_whole)
        self.has_calls = self._is_line = True

    def _cut(self, at: int, *, keeps_blanks: bool = True) -> str:
        """Pass on the text before a place, without the blanks there, which may precede a call."""
        shown = self._text[:at]
        if keeps_blanks:
            shown = shown.rstrip()
        if shown:
            self._value, self._judged_at = BareValue(), 0
            self._is_line = shown.endswith("\n")
        self._text = self._text[len(shown) :]
        return shown
