"""The text of one answer: it goes in as it is written, and out once it may be shown.

Does not know tokens, control tokens, thoughts, or how a visit ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from tierchat.engine.text import StopStrings
from tierchat.gates.verification.fitness import is_empty
from tierchat.workers.child.answer_check import AnswerCheck
from tierchat.workers.child.readings import Readings
from tierchat.workers.child.tool_calls.answer_calls import AnswerCalls
from tierchat.workers.child.tool_calls.written_call import BrokenCall
from tierchat.workers.protocol import Called, Delta, Generate, RequestEvent

REPEATED_CALL = "calls a tool again whose result it has read"
CUT_CALL = "a call of a tool was cut off and is left out"


@dataclass(frozen=True)
class Judged:
    """What a finished answer is worth.

    `misfit` says why it does not fit its schema, `unfit` why it is not of the asked form. An answer
    is not `is_whole` where a limit, or the caller's own stop string, may have cut it.
    """

    misfit: str
    unfit: str
    is_whole: bool


class AnswerText:
    """Holds an answer back while its prompt may still go up, and lets it out afterwards.

    `readings` hold the gate, `check` judges schema and form, `calls` reads the calls of tools;
    `trims_start` drops blanks at the start. `held` is not shown yet, nothing is held any more once
    `is_released`; `notices` are for the user. Owned by the engine thread, as the request is.
    """

    def __init__(
        self,
        order: Generate,
        readings: Readings,
        check: AnswerCheck,
        calls: AnswerCalls | None,
        *,
        trims_start: bool,
    ) -> None:
        self._order = order
        self._readings = readings
        self._check = check
        self._calls = calls
        self._trims_start = trims_start
        self._stops = StopStrings(order.sampling.stop)
        self._written = order.begun
        self._num_held = 0
        self._num_called = 0
        self.held = ""
        self.is_released = False
        self.notices: tuple[str, ...] = ()

    @property
    def may_go_up(self) -> bool:
        return bool(self._order.gate.targets) and not self.is_released

    @property
    def has_calls(self) -> bool:
        """Whether there are calls of tools, or text that may become one."""
        return self._calls is not None and self._calls.has_begun

    @property
    def is_stopped(self) -> bool:
        return self._stops.is_stopped

    @property
    def stopped_by(self) -> str:
        """The caller's stop string that ended the answer; empty without one."""
        return self._stops.found

    @property
    def is_waiting(self) -> bool:
        """Whether text waits that may become a stop string."""
        return self._stops.is_holding

    @property
    def is_over(self) -> bool:
        """Whether nothing that may follow belongs to the answer."""
        return self.is_stopped or (self._calls is not None and self._calls.is_over)

    @property
    def is_empty(self) -> bool:
        """Whether nothing but blanks was written."""
        return is_empty(self._written)

    def trimmed(self, text: str) -> str:
        """Return new text without the blanks at the start of the answer."""
        return text.lstrip() if self._trims_start and not self._written else text

    def add(self, text: str) -> list[RequestEvent]:
        """Take the trimmed text of one token, and return what may be shown; raises BrokenCall."""
        text = self._stops.add(text)
        self._written += text
        if self._calls:
            text = self._calls.add(text)
        if self.is_released:
            return self._shown(text)
        self.held += text
        self._num_held += 1
        return [] if self._must_hold() else self.release()

    def why_broken(self) -> str:
        """Say why nothing that may follow can bring a held answer into its form."""
        if not self.may_go_up:
            return ""
        if self._calls and self._calls.has_begun:
            return REPEATED_CALL if self._calls.repeats_answered else ""
        return self._check.unfit(self._written, is_whole=False)

    def end(self, reason: str) -> Judged:
        """Judge the answer once all is written; `release` lets its rest out.

        Raises BrokenCall for a call that cannot be used, unless something cut it.
        """
        tail = self._stops.flush()
        self._written += tail
        # What a limit or the caller's own stop string cut could have become anything.
        is_whole = reason == "stop" and not (self.is_stopped and self._check.may_be_cut)
        misfit = self._check.misfit(self._written) if reason == "stop" else ""
        unfit = self._check.unfit(self._written, is_whole=is_whole)
        if self._calls:
            try:
                tail = self._calls.end(tail, is_whole=is_whole)
            except BrokenCall:
                if is_whole:
                    raise
                self.notices += (CUT_CALL,)
            misfit, unfit = ("", "") if self._calls.num_checked else (misfit, unfit)
        self.held += tail
        return Judged(misfit, unfit, is_whole)

    def rest(self) -> list[RequestEvent]:
        """Let out what the gate, or a possible stop string, holds back when a request is ended."""
        tail = self._stops.flush()
        self.held += self._calls.rest(tail) if self._calls else tail
        return self.release()

    def release(self) -> list[RequestEvent]:
        """Let out what is held, and hold nothing back from now on."""
        self.is_released = True
        held, self.held = self.held, ""
        return self._shown(held)

    def _shown(self, text: str) -> list[RequestEvent]:
        """Pass text on, and the calls that were checked meanwhile."""
        id_ = self._order.id
        events: list[RequestEvent] = [Delta(id=id_, answer=text)] if text else []
        for call in self._calls.take() if self._calls else ():
            events.append(Called(id=id_, index=self._num_called, call=call))
            self._num_called += 1
        return events

    def _must_hold(self) -> bool:
        """Whether the prompt may still go up, or be declined, instead of getting this answer."""
        hold = self._order.gate.hold
        if "answer" in self._readings.stages and hold != "first":
            return True
        if self._order.gate.targets:
            # A call that turns out broken goes up.
            if self.has_calls:
                return True
            # Nobody sees it grow, so it goes up if it runs away; an empty answer always does.
            if hold == "answer" or is_empty(self.held):
                return True
            if self._check.holds(hold, self._written, self._num_held):
                return True
        return self._readings.gate.holds(self.held, self._num_held)
