"""When pieces of an answer are written to a terminal, and when to a pipe."""

from __future__ import annotations

import io
import os
import subprocess
import sys

from tierchat.cli.ask.answer_stream import AnswerStream
from tierchat.terminal.output import Output

# Another command in the middle of a line: it goes on when its stdin ends.
NEIGHBOUR = """
import os, sys
from tierchat.cli.ask.answer_stream import AnswerStream
from tierchat.terminal.output import Output
now_s = iter((0.0, 1.0))
stream = AnswerStream(Output(sys.stdout, None, {}), now=lambda: next(now_s))
stream.add("a long")
stream.add(" line")
os.write(2, b"written")
os.close(2)
sys.stdin.read()
stream.whole(" ends")
"""


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


def test_commands_that_share_a_pipe_do_not_mix_their_lines() -> None:
    read, write = os.pipe()
    neighbour = subprocess.Popen(
        [sys.executable, "-c", NEIGHBOUR],
        stdin=subprocess.PIPE,
        stdout=write,
        stderr=subprocess.PIPE,
    )
    assert neighbour.stderr and neighbour.stderr.read() == b"written"
    clock = Clock()
    with os.fdopen(write, "w") as out:
        stream = AnswerStream(Output(out, None, {}), now=clock)
        for clock.now_s, text in ((0, "mi"), (1, "ne\nand"), (2, " more")):
            stream.add(text)
        neighbour.communicate()
        stream.end()
    with os.fdopen(read) as pipe:
        assert pipe.read() == "a long line ends\nmine\nand more\n"
