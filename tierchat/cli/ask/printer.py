"""One question: sends it, prints the answer as it comes, chooses the exit code.

Does not know typer or sockets; `AsksDaemon` is the seam to the client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from tierchat.cli.ask.answer_stream import AnswerStream
from tierchat.cli.ask.tool_lines import tool_lines
from tierchat.cli.ask.waiting import Waiting
from tierchat.cli.exit_codes import ExitCode
from tierchat.errors import DaemonUnreachable, TierchatError
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Hop,
    Loading,
    Notice,
    Starting,
    ThoughtDelta,
    ToolRan,
    Working,
)
from tierchat.outcomes import Outcome
from tierchat.terminal.output import Output, StdoutClosed, terminal_width
from tierchat.terminal.tier_line import explanation, hop_line, tier_line, working_line
from tierchat.types import Prompt

if TYPE_CHECKING:
    from tierchat.terminal.markdown_stream import MarkdownStream, Theme


class AsksDaemon(Protocol):
    """The part of the client that asks."""

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]: ...


@dataclass(frozen=True)
class AnswerView:
    """How an answer is shown.

    `shows_partial`: what there is of an answer that comes whole is shown if it is interrupted.
    An answer that `is_read` by the command itself is not printed.
    """

    is_json: bool = False
    is_streamed: bool = True
    shows_partial: bool = True
    shows_thoughts: bool = True
    shows_usage: bool = False
    explains: bool = False
    extracts: bool = False
    is_raw: bool = False
    is_read: bool = False
    theme: Theme = "dark"


class AnswerPrinter:
    """Prints one answer as it comes."""

    def __init__(
        self, output: Output, view: AnswerView, advise: Callable[[Prompt], str] = lambda _: ""
    ) -> None:
        """`advise` names a command that helps after a refusal."""
        self._output = output
        self._view = view
        self._advise = advise
        self._advice = ""
        self.outcome: Outcome | None = None
        # The tier that writes, as far as it has shown itself.
        self.tier: str | None = None
        self._told: set[str] = set()
        self._waiting = Waiting()
        self._pieces: list[str] = []
        self._stream = AnswerStream(output, self._markdown())
        is_text = not view.is_json and not view.extracts
        self._is_streamed = view.is_streamed and is_text
        self._shows_partial = view.shows_partial and is_text

    def _markdown(self) -> MarkdownStream | None:
        view = self._view
        if not self._output.is_rich or view.is_raw or view.is_json or view.extracts:
            return None
        from tierchat.terminal.markdown_stream import MarkdownStream

        return MarkdownStream(terminal_width, view.theme)

    @property
    def answer(self) -> str:
        """The answer as far as it has come."""
        return "".join(self._pieces)

    def run(self, client: AsksDaemon, prompt: Prompt) -> int:
        """Ask and print; returns the exit code. Raises whatever the client raises."""
        options = msgspec.structs.replace(prompt.options, progress=self._is_talking)
        events = client.ask(msgspec.structs.replace(prompt, options=options))
        try:
            for event in events:
                self._show(event)
        except KeyboardInterrupt:
            return self.interrupted()
        except TierchatError as error:
            self._show_partial()
            if self._pieces and not isinstance(error, DaemonUnreachable):
                self._output.note(f"{self._name} is incomplete", "yellow")
            raise
        finally:
            self._output.status("")
            if isinstance(events, Generator):
                events.close()
        if self.outcome and self.outcome.finish_reason == "unanswered":
            self._advice = self._advise(prompt)
        return self._finish()

    def _show(self, event: CascadeEvent) -> None:
        match event:
            case AnswerDelta(text=text):
                self._answer(text)
            case ThoughtDelta(tier=tier, text=text):
                self.tier = tier
                if self._view.shows_thoughts and self._is_talking:
                    self._output.thought(text)
            case ToolRan(run=run):
                self._begin_again()
                if self._view.shows_thoughts:
                    self._say("\n".join(tool_lines(run)))
            case Loading(tier=tier, model=model):
                self.tier = tier
                self._say(f"{tier}: loading {model} …")
            case Starting(tier=tier, expected_s=expected_s):
                self.tier = tier
                self._waiting.begin(tier, expected_s)
                self._show_status(self._waiting.line)
            case Working(tier=tier):
                self.tier = tier
                self._show_status(self._waiting.with_rest(working_line(event)))
            case Hop(visit=visit, target=target):
                self.tier = target
                self._say(hop_line(visit, target))
            case Notice(text=text):
                self._told.add(text)
                self._output.note(text, "yellow")
            case Done(outcome=outcome):
                self.outcome = outcome

    @property
    def _name(self) -> str:
        is_above = self._output.is_out_terminal and self._stream.has_begun
        return "the answer above" if is_above else "the answer"

    @property
    def _is_talking(self) -> bool:
        return self._output.is_err_terminal and not self._output.is_quiet

    def _say(self, text: str) -> None:
        if self._is_talking:
            self._output.note(text)

    def _answer(self, text: str) -> None:
        self._pieces.append(text)
        if self._is_streamed:
            self._stream.add(text)

    def _begin_again(self) -> None:
        """Let the text before a call stand for itself: the answer comes behind the calls."""
        if self._pieces:
            if self._is_streamed:
                self._stream.end()
            self._pieces, self._stream = [], AnswerStream(self._output, self._markdown())

    def _show_status(self, line: str) -> None:
        # A line on stderr would be mixed into an answer that already grows on the same terminal.
        is_growing = self._is_streamed and bool(self._pieces)
        if line and self._is_talking and not is_growing:
            self._output.status(line)

    def _show_partial(self) -> None:
        """Show what there is of an answer that will not be finished."""
        if self._is_streamed:
            self._stream.end()
        elif self._shows_partial and self._pieces and not self._stream.has_begun:
            self._stream.whole(self.answer)

    def _finish(self) -> int:
        outcome = self.outcome
        if outcome is None:
            raise DaemonUnreachable("the daemon ended the answer without an outcome", "ask again")
        if self._view.is_json:
            self._output.json(outcome)
        elif self._view.extracts:
            return self._extract(outcome)
        elif self._is_streamed:
            self._stream.end()
        elif outcome.answer and not self._view.is_read:
            self._stream.whole(outcome.answer)
        self._tell_cost(outcome)
        return self._exit_code(outcome)

    def _extract(self, outcome: Outcome) -> int:
        from tierchat.terminal.code_blocks import last_block

        code = last_block(outcome.answer)
        if code is not None:
            self._output.answer(code)
        self._tell_cost(outcome)
        status = self._exit_code(outcome)
        if code is None and not status:
            self._output.error(
                "the answer has no code block", "without -x the whole answer is shown"
            )
            return ExitCode.FAILED
        return status

    def _tell_cost(self, outcome: Outcome) -> None:
        if not self._view.is_json:
            self._tell_notices(outcome)
        elif self._advice:
            self._output.note(f"no tier could answer; {self._advice}")
        if self._view.explains:
            for line in explanation(outcome.path, outcome.began):
                self._output.note(line)
        if self._view.shows_usage or self._output.is_err_terminal:
            self._output.note(tier_line(outcome))

    def _tell_notices(self, outcome: Outcome) -> None:
        """Print the notices not printed yet; the last one of an answer of no use is its error."""
        notices = list(outcome.notices)
        is_refused = outcome.finish_reason in ("unanswered", "misfit") or _is_empty(outcome)
        refusal = notices.pop() if is_refused and notices else "no tier could answer"
        for notice in notices:
            if notice not in self._told:
                self._output.note(notice, "yellow")
        if is_refused:
            self._output.error(refusal, self._advice)

    def _exit_code(self, outcome: Outcome) -> int:
        if outcome.finish_reason == "unanswered":
            return ExitCode.UNANSWERED
        if outcome.finish_reason == "interrupted":
            return ExitCode.INTERRUPTED
        if outcome.finish_reason in ("length", "misfit") or _is_empty(outcome):
            return ExitCode.FAILED
        return ExitCode.BELOW_ASKED if outcome.is_below_asked else ExitCode.DONE

    def interrupted(self) -> int:
        """Show what there is, report Ctrl-C; returns the exit code."""
        with contextlib.suppress(OSError, StdoutClosed):
            self._show_partial()
        what = f"; {self._name} is incomplete" if self._pieces else ""
        self._output.note(f"interrupted{what}", "yellow")
        return ExitCode.INTERRUPTED


def _is_empty(outcome: Outcome) -> bool:
    return outcome.finish_reason == "stop" and not outcome.answer.strip()
