"""One question: sends it, prints the answer as it comes, chooses the exit code.

Does not know typer or sockets; `AsksDaemon` is the seam to the client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tierchat.cli.exit_codes import ExitCode
from tierchat.errors import DaemonUnreachable, TierchatError
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Loading, Notice, ThoughtDelta
from tierchat.terminal.harmless import harmless
from tierchat.terminal.output import Output, StdoutClosed, terminal_width
from tierchat.terminal.tier_line import explanation, hop_line, tier_line
from tierchat.types import Outcome, Prompt

if TYPE_CHECKING:
    from tierchat.terminal.markdown_stream import MarkdownStream, Theme


class AsksDaemon(Protocol):
    """The part of the client that asks."""

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]: ...


@dataclass(frozen=True)
class AnswerView:
    """How an answer is shown."""

    is_json: bool = False
    is_streamed: bool = True
    shows_thoughts: bool = True
    shows_usage: bool = False
    explains: bool = False
    extracts: bool = False
    is_raw: bool = False
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
        self._pieces: list[str] = []
        self._ends_line = True
        self._markdown: MarkdownStream | None = None
        if output.is_rich and not (view.is_raw or view.is_json or view.extracts):
            from tierchat.terminal.markdown_stream import MarkdownStream

            self._markdown = MarkdownStream(terminal_width, view.theme)

    @property
    def answer(self) -> str:
        """The answer as far as it has come."""
        return "".join(self._pieces)

    def run(self, client: AsksDaemon, prompt: Prompt) -> int:
        """Ask and print; returns the exit code. Raises whatever the client raises."""
        events = client.ask(prompt)
        try:
            for event in events:
                self._show(event)
        except KeyboardInterrupt:
            return self.interrupted()
        except TierchatError as error:
            self._end_line()
            if self._pieces and not isinstance(error, DaemonUnreachable):
                self._output.note("the answer above is incomplete", "yellow")
            raise
        finally:
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
            case Loading(tier=tier, model=model):
                self._say(f"{tier}: loading {model} …")
            case Hop(visit=visit, target=target):
                self.tier = target
                self._say(hop_line(visit, target))
            case Notice(text=text):
                self._told.add(text)
                self._output.note(text, "yellow")
            case Done(outcome=outcome):
                self.outcome = outcome

    @property
    def _is_talking(self) -> bool:
        return self._output.is_err_terminal and not self._output.is_quiet

    def _say(self, text: str) -> None:
        if self._is_talking:
            self._output.note(text)

    def _answer(self, text: str) -> None:
        self._pieces.append(text)
        if self._view.is_streamed and not self._view.is_json:
            self._print(text)

    def _print(self, text: str) -> None:
        self._ends_line = text.endswith("\n")
        if self._markdown:
            self._output.rendered(self._markdown.feed(harmless(text)))
            self._ends_line = False
        else:
            self._output.answer(text)

    def _end_line(self) -> None:
        if self._ends_line:
            return
        self._ends_line = True
        if self._markdown:
            self._output.rendered(self._markdown.close())
        else:
            self._output.answer("\n")

    def _finish(self) -> int:
        outcome = self.outcome
        if outcome is None:
            raise DaemonUnreachable("the daemon ended the answer without an outcome", "ask again")
        if self._view.is_json:
            self._output.json(outcome)
        elif self._view.extracts:
            return self._extract(outcome)
        elif not self._view.is_streamed and outcome.answer:
            self._print(outcome.answer)
        self._end_line()
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
            for line in explanation(outcome.path):
                self._output.note(line)
        if self._view.shows_usage or self._output.is_err_terminal:
            self._output.note(tier_line(outcome))

    def _tell_notices(self, outcome: Outcome) -> None:
        """Print the notices not printed yet; the last one of a refusal or misfit is its error."""
        notices = list(outcome.notices)
        is_refused = outcome.finish_reason in ("unanswered", "misfit")
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
        if outcome.finish_reason in ("length", "misfit"):
            return ExitCode.FAILED
        return ExitCode.BELOW_ASKED if outcome.is_below_asked else ExitCode.DONE

    def interrupted(self) -> int:
        """Report Ctrl-C, and whether the answer above is incomplete; returns the exit code."""
        with contextlib.suppress(OSError, StdoutClosed):
            self._end_line()
        what = "; the answer above is incomplete" if self._pieces else ""
        self._output.note(f"interrupted{what}", "yellow")
        return ExitCode.INTERRUPTED
