"""The calls of one answer: its text goes in, what may be shown comes out, calls are checked.

Does not know tiers or tokens. Owned by the engine thread, as the request is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tierchat.engine.grammar import Grammar
from tierchat.tool_calls import ToolCall
from tierchat.workers.child.tool_calls.checker import CallChecker
from tierchat.workers.child.tool_calls.reader import CallReader
from tierchat.workers.child.tool_calls.written_call import BrokenCall

NONE_MADE = "no tool was called where a call was required"


def call_key(call: ToolCall) -> tuple[str, str]:
    """Return the name and the arguments of a call, whatever their JSON looks like."""
    try:
        return call.name, json.dumps(json.loads(call.arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return call.name, call.arguments


class AnswerCalls:
    """Reads and checks the calls of one answer.

    `answered` are the keys of calls whose results the model has read since the question; a model
    that makes one of them again has not understood its result (`repeats_answered`).
    `marks` are the control tokens that open or close calls, with their texts. `grammar_inside`
    makes the grammar of what follows a mark and the text behind it, None where there is none.
    """

    def __init__(
        self,
        reader: CallReader,
        checker: CallChecker,
        marks: Mapping[int, str],
        *,
        is_required: bool = False,
        max_calls: int | None = None,
        answered: frozenset[tuple[str, str]] = frozenset(),
        grammar_inside: Callable[[str, str], Grammar | None] | None = None,
    ) -> None:
        self._reader = reader
        self._checker = checker
        self._marks = marks
        self._is_required = is_required
        self._max_calls = max_calls
        self._answered = answered
        self._grammar_inside = grammar_inside
        self._checked: list[ToolCall] = []
        self._made: set[tuple[str, str]] = set()
        self._repeats = False
        self.repeats_answered = False

    @property
    def has_begun(self) -> bool:
        """Whether there are calls, or text that may become one."""
        return bool(self._made) or self._reader.is_pending

    @property
    def num_checked(self) -> int:
        return len(self._made)

    @property
    def is_over(self) -> bool:
        """Whether nothing that may follow is wanted any more."""
        is_full = self._max_calls is not None and len(self._made) >= self._max_calls
        return is_full or self._repeats or self._reader.is_over

    def text_of(self, token: int) -> str:
        """Return the text of a control token that marks a call; empty for any other."""
        return self._marks.get(token, "")

    def add(self, text: str) -> str:
        """Return the text that is no call; raises BrokenCall."""
        shown = self._reader.add(text)
        self._check()
        return shown

    def end(self, tail: str, *, is_whole: bool) -> str:
        """Return the rest that is no call, given the last text.

        Raises BrokenCall, also where a call is missing from an answer that is whole.
        """
        if self.is_over:
            return ""
        shown = self._reader.add(tail) + self._reader.end(is_whole=is_whole)
        self._check()
        if is_whole and self._is_required and not self._made:
            raise BrokenCall(NONE_MADE)
        return shown

    def rest(self, tail: str) -> str:
        """Return the text that is no call of an answer that is ended from outside."""
        try:
            return self.end(tail, is_whole=False)
        except BrokenCall:
            return ""

    def take(self) -> list[ToolCall]:
        """Return the calls that were checked since the last time."""
        taken, self._checked = self._checked, []
        return taken

    def grammar_now(self) -> Grammar | None:
        """Return the grammar of the call that has just been opened; None if there is none."""
        opened = self._reader.opened
        if opened is None or self._grammar_inside is None:
            return None
        make, self._grammar_inside = self._grammar_inside, None
        mark, text = opened
        return make(mark.opens, text)

    def _check(self) -> None:
        for written in self._reader.take():
            if self.is_over:
                return
            call = self._checker.checked(written)
            # Small models that find no end make the same call again and again.
            made = call_key(call)
            self._repeats = made in self._made
            if not self._repeats:
                self._made.add(made)
                self.repeats_answered |= made in self._answered
                self._checked.append(call)
