"""When pieces of an answer are written to a terminal, and when to a pipe."""

from __future__ import annotations

import io

from tierchat.cli.ask.answer_stream import AnswerStream
from tierchat.terminal.output import Output


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_whole_lines_and_a_long_line_after_half_a_second() -> None:
    out, clock = io.StringIO(), Clock()
    stream = AnswerStream(Output(out, None, {}), now=clock)
    stream.add("one\ntw")
    assert out.getvalue() == "one\n"
    clock.now_s = 0.4
    stream.add("o th")
    assert out.getvalue() == "one\n"
    clock.now_s = 0.6
    stream.add("ree")
    assert out.getvalue() == "one\ntwo three"
    stream.add(" four")
    stream.end()
    stream.end()
    assert out.getvalue() == "one\ntwo three four\n"


def test_a_terminal_gets_every_piece_at_once() -> None:
    out = Terminal()
    stream = AnswerStream(Output(out, None, {}), now=Clock())
    stream.add("o")
    assert out.getvalue() == "o"
    stream.end()
    assert out.getvalue() == "o\n"


def test_nothing_ends_without_a_line_and_a_line_without_a_second_end() -> None:
    out = io.StringIO()
    AnswerStream(Output(out, None, {}), now=Clock()).end()
    assert out.getvalue() == ""
    stream = AnswerStream(Output(out, None, {}), now=Clock())
    stream.whole("a\n")
    assert out.getvalue() == "a\n" and stream.has_begun
