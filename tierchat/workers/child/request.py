"""One request inside a worker: engine steps in, events out, the gate's three decisions between.

Does not know sockets, threads or llama.cpp; `Readings` shows the steps to the gate, `AnswerText`
holds the answer back.
"""

from __future__ import annotations

import time
from typing import Protocol

import msgspec

from tierchat.engine.prompt_reader import PromptScorer
from tierchat.engine.repetition import RepetitionDetector, asked_in
from tierchat.engine.sequence import Sequence, Step
from tierchat.engine.text import Detokenizer
from tierchat.gates.verification.fitness import EMPTY
from tierchat.outcomes import Usage
from tierchat.types import Stage, Verdict
from tierchat.workers.child.answer_check import AnswerCheck
from tierchat.workers.child.answer_text import AnswerText, Judged
from tierchat.workers.child.readings import Gate, Readings
from tierchat.workers.child.token_log import TokenLog, prompt_scores
from tierchat.workers.child.tool_calls.answer_calls import AnswerCalls
from tierchat.workers.child.tool_calls.written_call import BrokenCall
from tierchat.workers.protocol import (
    Delta,
    Escalated,
    Finished,
    Generate,
    Progress,
    RequestEvent,
    Scored,
)

_BAD_CALL = "calls a tool in a way that cannot be used"


class Pieces(Protocol):
    """What a request needs of a model."""

    def piece(self, token: int) -> bytes: ...
    def spelled(self, token: int) -> bytes: ...


class Request:
    """Turns the steps of one sequence into events. Owned by the engine thread.

    `think_tokens` are the ids that open and close a thought, if the model has them; `is_thinking`
    says that the template opened a thought at the end of the prompt; `trims_start` drops blanks at
    the start of the answer. `check` judges the answer's schema and form, `calls` reads its calls of
    tools; `notices` are for the user.
    """

    def __init__(
        self,
        order: Generate,
        sequence: Sequence,
        gate: Gate,
        model: Pieces,
        *,
        max_tokens: int,
        think_tokens: tuple[int, int] | None = None,
        is_thinking: bool = False,
        trims_start: bool = False,
        check: AnswerCheck | None = None,
        calls: AnswerCalls | None = None,
        notices: tuple[str, ...] = (),
    ) -> None:
        self.order = order
        self.sequence = sequence
        self._readings = Readings(order, gate, tuple(sequence.tokens))
        self._model = model
        self._max_tokens = max_tokens
        self._think_tokens = think_tokens
        self._notices = notices
        self._calls = calls
        self._answer = AnswerText(
            order, self._readings, check or AnswerCheck(order), calls, trims_start=trims_start
        )
        # With a schema only the answer can be drawn, even where the template opens a thought.
        self._is_thinking = order.sampling.json_schema is None and is_thinking
        self._detokenizer = Detokenizer()
        self._repetition = RepetitionDetector(asked_in(_question(order)))
        self._started_s = time.monotonic()
        self._num_refused = 0
        self._log = None if order.logprobs is None else TokenLog(model.spelled)
        self._first_token_s = self._started_s
        sequence.reads_signals = bool(self._readings.stages)

    def take(self, step: Step) -> list[RequestEvent]:
        """Handle one new token; Escalated or Finished as the last event ends the request."""
        events: list[RequestEvent] = []
        if self.sequence.num_generated == 1:
            self._first_token_s = time.monotonic()
            events += self._scored_prompt()
        if self.order.only_reads:
            return [*events, *self._finish("stop", step)]
        events += self._logged(self._taken(step))
        return self._with_rest(events)

    def _scored_prompt(self) -> list[RequestEvent]:
        reader = self.sequence.reader
        if not isinstance(reader, PromptScorer):
            return []
        tokens = prompt_scores(reader.scores, self._model.spelled)
        return [Scored(id=self.order.id, tokens=tokens)]

    def _with_rest(self, events: list[RequestEvent]) -> list[RequestEvent]:
        """Add the tokens that end a text and are no part of it, if the text is not cut before them.

        Tools that score texts take the last token for a drawn one, and leave it out.
        """
        is_over = bool(events) and isinstance(events[-1], Finished)
        if not (self._log and self.order.is_raw and is_over) or self._answer.is_stopped:
            return events
        rest = self._log.rest()
        delta = [Delta(id=self.order.id, logprobs=rest)] if rest else []
        return [*events[:-1], *delta, events[-1]]

    def _note(self, step: Step, text: str) -> None:
        if self._log and step.scores and not self._is_thinking:
            self._log.add(step.scores, text)

    def _logged(self, events: list[RequestEvent]) -> list[RequestEvent]:
        return self._log.attached(events) if self._log else events

    def _taken(self, step: Step) -> list[RequestEvent]:
        if step.is_broken:
            return self._give_up("garbage", "numbers that are not finite")
        if step.problem:
            return self._give_up("grammar", f"the schema is too complex: {step.problem}")
        escalated = self._read_gate(step)
        if escalated:
            return [escalated]
        if step.is_end:
            self._note(step, "")
            return self._finish("stop", step)
        if self._think_tokens and step.token in self._think_tokens:
            # Text that is continued has no thoughts, only marks that are not shown.
            self._is_thinking = step.token == self._think_tokens[0] and not self.order.is_raw
            self._note(step, "")
            # A character that a thought left unfinished is no part of the answer.
            self._detokenizer.forget()
            return self._finish("length", None) if self._is_full() else []
        mark = self._calls.text_of(step.token) if self._calls else ""
        if step.is_control and not mark:
            # A control token in an unexpected place ends the turn and is never shown.
            self._note(step, "")
            return self._finish("stop", step)
        text = mark or self._detokenizer.add(self._model.piece(step.token))
        events: list[RequestEvent] = []
        if self._is_thinking:
            events += [Delta(id=self.order.id, thought=text)] if text else []
        else:
            try:
                events += self._add_answer(text, step)
            except BrokenCall as error:
                return self._broken_call(error)
            if why := self._answer.why_broken():
                return [self._unfit(why, cut="form")]
        if self._repetition.is_repeating(step.token, text) and not self.order.sampling.ignore_eos:
            return events + self._give_up("repetition", "repeats itself")
        if self._answer.is_over or step.is_complete:
            return events + self._finish("stop", None)
        return events + (self._finish("length", None) if self._is_full() else [])

    def interrupt(self) -> list[RequestEvent]:
        """End a cancelled request; the text that was held back is released, not lost."""
        self._readings.verdict = None
        return self._logged([*self._answer.rest(), self._finished("interrupted")])

    @property
    def progress(self) -> Progress:
        """How far the prompt is read and the answer written."""
        generated, total = self.sequence.num_generated, self.sequence.num_prompt_tokens
        return Progress(
            id=self.order.id,
            computed=min(self.sequence.num_computed, total),
            total=total,
            generated=generated,
            seconds=time.monotonic() - self._first_token_s if generated else 0.0,
        )

    @property
    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=self.sequence.num_prompt_tokens,
            cached_tokens=self.sequence.num_cached,
            generated_tokens=self.sequence.num_generated - self._num_refused,
            seconds=time.monotonic() - self._started_s,
            reading_seconds=self._first_token_s - self._started_s,
        )

    def _read_gate(self, step: Step) -> Escalated | None:
        self._readings.add(step)
        if self._answer.is_released or step.signals is None:
            return None
        stage, verdict = self._readings.read(step, step.signals, self._answer.held)
        self.sequence.reads_signals = self._readings.stages[-1] != "prefill"
        if not verdict.escalate:
            return None
        # The token drawn beside this reading was never computed, so it costs nothing.
        self._num_refused = 1
        return self._escalated(stage, verdict)

    def _add_answer(self, text: str, step: Step) -> list[RequestEvent]:
        self._readings.add_to_answer(step)
        text = self._answer.trimmed(text)
        self._note(step, text)
        events = self._answer.add(text)
        if self._answer.is_released:
            self.sequence.reads_signals = False
        if self._calls:
            self._follow_grammar(self._calls)
        return events

    def _follow_grammar(self, calls: AnswerCalls) -> None:
        """Let a call that has been opened follow a grammar, where no higher tier would mend it.

        While the prompt may go up, a call that cannot be read says that it should.
        """
        # The grammar goes on from text that is all there.
        is_wanted = not (self._answer.may_go_up or self._answer.is_waiting)
        if self.sequence.grammar is None and is_wanted:
            self.sequence.grammar = calls.grammar_now()

    def _finish(self, reason: str, last: Step | None) -> list[RequestEvent]:
        self._num_refused = 1 if last else 0
        try:
            judged = self._answer.end(reason)
        except BrokenCall as error:
            return self._broken_call(error)
        if rejected := self._rejected(judged):
            return [rejected]
        finished = self._finished(reason, judged.misfit, judged.unfit)
        return [*self._answer.release(), finished]

    def _rejected(self, judged: Judged) -> Escalated | None:
        """Send a prompt up whose answer, none of which is shown, is not good enough."""
        if self._answer.is_released:
            return None
        return self._read_fit(judged) or self._read_whole() or self._read_empty(judged)

    def _read_fit(self, judged: Judged) -> Escalated | None:
        """Send a prompt up whose answer does not fit its schema, or is not of the asked form."""
        if not self._answer.may_go_up:
            return None
        if judged.misfit:
            return self._unfit(f"does not fit the schema: {judged.misfit}", is_misfit=True)
        return self._unfit(judged.unfit) if judged.unfit else None

    def _broken_call(self, error: BrokenCall) -> list[RequestEvent]:
        """Send a prompt up whose call is broken; with no tier above, say so to the cascade."""
        if self._answer.may_go_up:
            return [self._unfit(f"{_BAD_CALL}: {error.reason}")]
        return [*self._answer.release(), self._finished("broken_call", unfit=error.reason)]

    def _unfit(self, why: str, *, cut: str = "", is_misfit: bool = False) -> Escalated:
        # What the gate read had no part in this.
        found = self._escalated("answer", Verdict(escalate=True, reason=why), cut)
        return msgspec.structs.replace(found, unfit=why, is_misfit=is_misfit)

    def _read_whole(self) -> Escalated | None:
        """Let the gate judge the finished answer (decision C)."""
        verdict = self._readings.read_whole()
        return self._escalated("answer", verdict) if verdict and verdict.escalate else None

    def _read_empty(self, judged: Judged) -> Escalated | None:
        """Send a prompt up whose answer is empty, unless the caller's own stop string cut it."""
        if not (judged.is_whole and self._answer.is_empty and self._answer.may_go_up):
            return None
        return self._escalated("first", Verdict(escalate=True, reason=EMPTY))

    def _escalated(self, stage: Stage, verdict: Verdict, cut: str = "") -> Escalated:
        return Escalated(
            id=self.order.id,
            stage=stage,
            verdict=verdict,
            usage=self.usage,
            draft=self._answer.held,
            cut=cut,
        )

    def _give_up(self, reason: str, why: str) -> list[RequestEvent]:
        """End on garbage: go up if nothing was shown yet and a tier is above, else finish here."""
        self._num_refused = int(reason == "garbage")
        if self._answer.may_go_up:
            return [self._escalated("first", Verdict(escalate=True, reason=why), cut=reason)]
        if reason == "repetition" and self._answer.has_calls:
            return self._broken_call(BrokenCall("it repeats itself"))
        return [*self._answer.rest(), self._finished(reason)]

    def _finished(self, reason: str, misfit: str = "", unfit: str = "") -> Finished:
        return Finished(
            id=self.order.id,
            reason="misfit" if misfit else reason,
            stopped_by=self._answer.stopped_by,
            misfit=misfit,
            unfit=unfit,
            notices=(*self._notices, *self._answer.notices),
            usage=self.usage,
            verdict=self._readings.verdict,
            probe=self._readings.probe() if self.order.probe else None,
        )

    def _is_full(self) -> bool:
        return self.sequence.num_generated >= self._max_tokens


def _question(order: Generate) -> str:
    users = (message.content for message in reversed(order.messages) if message.role == "user")
    return next(users, "")
