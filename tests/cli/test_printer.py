"""What one answer prints and how it ends, with a client that plays a script."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import msgspec
import pytest

from tierchat.cli.ask.printer import AnswerPrinter, AnswerView
from tierchat.errors import DaemonUnreachable, EngineCrashed, Timeout
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Hop,
    Loading,
    Notice,
    ThoughtDelta,
    Working,
)
from tierchat.outcomes import FinishReason, Outcome, Visit
from tierchat.terminal.output import Output
from tierchat.types import Message, Prompt

PROMPT = Prompt(messages=(Message(role="user", content="x"),))
OUTCOME = Outcome(
    answer="4",
    tier="XS",
    model="m",
    finish_reason="stop",
    path=(Visit(tier="XS", model="m", reason="stop"),),
    prompt_tokens=3,
    generated_tokens=1,
    escalation_tokens=0,
    escalation_seconds=0.0,
    seconds=0.1,
    relative_compute=0.1,
    is_compute_estimated=True,
    top_tier="M",
)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Script:
    """Plays events; an exception among them is raised. Counts how often it was closed early."""

    def __init__(self, *events: CascadeEvent | BaseException) -> None:
        self._events = events
        self.is_closed = False

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]:
        try:
            for event in self._events:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            self.is_closed = True


def play(
    *events: CascadeEvent | BaseException, view: AnswerView | None = None, is_terminal: bool = False
) -> tuple[int, str, str]:
    kind = Terminal if is_terminal else io.StringIO
    out, err = kind(), kind()
    asking = AnswerPrinter(Output(out, err, {"TERM": "dumb"}), view or AnswerView())
    return asking.run(Script(*events), PROMPT), out.getvalue(), err.getvalue()


def done(**changes: object) -> Done:
    return Done(outcome=msgspec.structs.replace(OUTCOME, **changes))


@pytest.mark.parametrize(
    ("reason", "is_below", "code"),
    [("stop", False, 0), ("stop", True, 8), ("length", False, 1), ("interrupted", False, 130)],
)
def test_how_it_ended_decides_the_exit_code(
    reason: FinishReason, is_below: bool, code: int
) -> None:
    found = play(AnswerDelta(text="4"), done(finish_reason=reason, is_below_asked=is_below))
    assert found == (code, "4\n", "")


def test_a_refusal_is_an_error_with_an_empty_stdout() -> None:
    refused = done(answer="", tier=None, finish_reason="unanswered", notices=("low failed", "no"))
    assert play(Notice(text="low failed"), refused) == (9, "", "low failed\ntierchat: no\n")
    assert play(done(answer="", tier=None, finish_reason="unanswered"))[0] == 9


def test_a_notice_is_printed_once_and_one_that_never_came_at_the_end() -> None:
    events = Notice(text="low failed"), AnswerDelta(text="4")
    assert play(*events, done(notices=("low failed",)))[2] == "low failed\n"
    assert play(*events, done(notices=("low failed", "cut")))[2] == "low failed\ncut\n"


def test_json_is_one_line_with_the_outcome_alone() -> None:
    code, out, err = play(AnswerDelta(text="4"), done(), view=AnswerView(is_json=True))
    assert (code, err) == (0, "") and out.count("\n") == 1
    assert list(json.loads(out))[:4] == ["answer", "tier", "model", "finish_reason"]


def test_without_streaming_nothing_is_shown_before_the_end() -> None:
    code, out, _ = play(AnswerDelta(text="4"), done(), view=AnswerView(is_streamed=False))
    assert (code, out) == (0, "4\n")
    with pytest.raises(EngineCrashed):
        play(AnswerDelta(text="4"), EngineCrashed("gone"), view=AnswerView(is_streamed=False))


def test_the_way_up_is_shown_on_a_terminal_only() -> None:
    hop = Hop(visit=Visit(tier="XS", model="m", reason="escalate token"), target="S")
    events = Loading(tier="XS", model="m"), hop, ThoughtDelta(tier="S", text="hm"), done()
    assert play(*events)[2] == ""
    _, out, err = play(*events, is_terminal=True)
    assert out == "" and err.startswith("XS: loading m …\nXS → S: escalate token\nhm\n")
    assert "hm" not in play(*events, view=AnswerView(shows_thoughts=False), is_terminal=True)[2]


@pytest.mark.parametrize("said", [(), (AnswerDelta(text="1 2"),)])
def test_ctrl_c_ends_with_130_and_marks_what_was_shown(said: tuple[AnswerDelta, ...]) -> None:
    code, out, err = play(*said, KeyboardInterrupt())
    assert code == 130 and out == ("1 2\n" if said else "")
    assert err.startswith("interrupted") and ("incomplete" in err) == bool(said)


@pytest.mark.parametrize("view", [AnswerView(extracts=True), AnswerView(is_json=True)])
def test_an_interruption_speaks_of_no_answer_above_where_none_is(view: AnswerView) -> None:
    code, out, err = play(AnswerDelta(text="1"), KeyboardInterrupt(), view=view, is_terminal=True)
    assert (code, out, err) == (130, "", "interrupted; the answer is incomplete\n")


def test_an_answer_without_an_outcome_is_an_error() -> None:
    with pytest.raises(DaemonUnreachable, match="without an outcome"):
        play(AnswerDelta(text="4"))


def test_a_reader_that_leaves_cancels_the_work() -> None:
    client = Script(AnswerDelta(text="4"), AnswerDelta(text="5"), done())
    full = open("/dev/full", "w")  # noqa: SIM115
    with pytest.raises(OSError, match="No space"):
        AnswerPrinter(Output(full, None, {}), AnswerView()).run(client, PROMPT)
    assert client.is_closed
    with pytest.raises(OSError, match="No space"):
        full.close()


class Writes(io.StringIO):
    """Remembers each write, as a pipe delivers it."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def write(self, text: str) -> int:
        self.all.append(text)
        return super().write(text)


def pipe(*events: CascadeEvent | BaseException, view: AnswerView) -> tuple[int, list[str], str]:
    out, err = Writes(), io.StringIO()
    printer = AnswerPrinter(Output(out, err, {}), view)
    return printer.run(Script(*events), PROMPT), out.all, err.getvalue()


@pytest.mark.parametrize(
    "view",
    [
        AnswerView(),
        AnswerView(is_streamed=False),
        AnswerView(is_json=True),
        AnswerView(extracts=True, is_streamed=False),
    ],
)
def test_what_comes_whole_goes_into_a_pipe_as_one_write(view: AnswerView) -> None:
    text = "```\n4\n```" if view.extracts else "4"
    pieces = (AnswerDelta(text=text[:1]), AnswerDelta(text=text[1:]))
    code, writes, _ = pipe(*pieces, done(answer=text), view=view)
    assert code == 0 and writes[-1].endswith("\n") and "".join(writes).count("4") >= 1
    assert len(writes) == (1 if text == "4" or not view.is_streamed else 3)


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (AnswerView(), "1\n2\n"),
        (AnswerView(is_streamed=False), "1\n2\n"),
        (AnswerView(is_streamed=False, shows_partial=False), ""),
        (AnswerView(is_json=True), ""),
        (AnswerView(extracts=True), ""),
    ],
)
@pytest.mark.parametrize("end", [KeyboardInterrupt(), EngineCrashed("gone"), Timeout("late")])
def test_what_there_is_of_an_interrupted_answer_is_shown(
    view: AnswerView, shown: str, end: BaseException
) -> None:
    out, err = io.StringIO(), io.StringIO()
    printer = AnswerPrinter(Output(out, err, {}), view)
    client = Script(AnswerDelta(text="1\n"), AnswerDelta(text="2"), end)
    if isinstance(end, KeyboardInterrupt):
        assert printer.run(client, PROMPT) == 130
    else:
        with pytest.raises(type(end)):
            printer.run(client, PROMPT)
    assert out.getvalue() == shown
    assert "the answer is incomplete" in err.getvalue()


@pytest.mark.parametrize("view", [AnswerView(), AnswerView(is_json=True)])
def test_an_empty_answer_is_said_even_if_quiet_and_fails(view: AnswerView) -> None:
    out, err = io.StringIO(), io.StringIO()
    printer = AnswerPrinter(Output(out, err, {}, quiet=True), view)
    empty = done(answer=" \n", notices=("XS gave an empty answer",))
    assert printer.run(Script(empty), PROMPT) == 1
    assert view.is_json or (out.getvalue(), err.getvalue()) == (
        "",
        "tierchat: XS gave an empty answer\n",
    )


def watched(*events: CascadeEvent, view: AnswerView, quiet: bool = False) -> str:
    """Play events where only stderr is a terminal."""
    err = Terminal()
    output = Output(io.StringIO(), err, {"TERM": "xterm", "NO_COLOR": "1"}, quiet=quiet)
    AnswerPrinter(output, view).run(Script(*events), PROMPT)
    return err.getvalue()


def test_a_quiet_line_tells_what_is_waited_for_and_goes_away() -> None:
    reading = Working(tier="S", computed=512, total=4096)
    writing = Working(tier="S", computed=9, total=9, generated=40, seconds=2.0)
    whole = AnswerView(is_streamed=False)
    said = watched(reading, writing, AnswerDelta(text="4"), writing, done(), view=whole)
    first, second, third, end, *_ = said.split("\r\x1b[K")[1:]
    assert first == "S · reads 512 of 4096 tokens"
    assert second == third == "S · 40 tokens · 20 tokens/s"
    assert end.startswith("XS · m · 1 token")
    assert watched(writing, done(), view=whole, quiet=True) == ""


def test_no_line_is_mixed_into_an_answer_that_grows() -> None:
    writing = Working(tier="S", computed=9, total=9, generated=40, seconds=2.0)
    said = watched(AnswerDelta(text="4"), writing, done(), view=AnswerView())
    assert "tokens/s" not in said


def test_signs_of_life_are_asked_for_where_somebody_sees_them() -> None:
    asked: list[bool] = []

    class Client:
        def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]:
            asked.append(prompt.options.progress)
            yield done()

    for err, quiet in ((Terminal(), False), (Terminal(), True), (io.StringIO(), False)):
        output = Output(io.StringIO(), err, {"TERM": "xterm"}, quiet=quiet)
        AnswerPrinter(output, AnswerView()).run(Client(), PROMPT)
    assert asked == [True, False, False]
