"""What reaches a terminal, a pipe, and a stream that was closed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.terminal.harmless import harmless
from tierchat.terminal.output import Output, StdoutClosed


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_control_characters_never_reach_a_terminal() -> None:
    hostile = (
        "a\x1b[31mb\x1b]52;c;aGk=\x07c\x1b]8;;http://x\x1b\\d\re\x9b2Jf"
        "\u202eg\u2066h\x00i\x7fj\ud800k"
    )
    shown = harmless(hostile)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert "".join(c for c in shown if c in "abcdefghijk")[0] == "a"
    assert "\u202e" not in shown and "\u2066" not in shown and "\ud800" not in shown


def test_ordinary_text_is_left_alone() -> None:
    text = "привет\tмир\n2 × 2 = 4 👍 e\u0301"
    assert harmless(text) == text


@given(text=st.text(), place=st.integers(0, 50))
def test_a_sequence_split_over_pieces_is_stripped_the_same(text: str, place: int) -> None:
    assert harmless(text[:place]) + harmless(text[place:]) == harmless(text)


def test_a_result_is_lines_or_json_on_stdout_and_what_is_said_is_not() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(out, err, {})
    output.lines(["one", "two"])
    output.json({"число": [1, None]})
    output.say("three", "four")
    assert out.getvalue() == 'one\ntwo\n{"число":[1,null]}\n'
    assert err.getvalue() == "three\nfour\n"


def test_the_answer_goes_to_stdout_and_everything_else_to_stderr() -> None:
    out, err = Terminal(), Terminal()
    output = Output(out, err, {"TERM": "xterm"})
    output.thought("hm")
    output.answer("4\x1b[31m\n")
    output.note("line")
    output.error("bad\x1b", "do this")
    assert out.getvalue() == "4[31m\n"
    assert "\x1b[2mhm\x1b[0m\n" in err.getvalue() and "bad" in err.getvalue()


def test_a_pipe_gets_the_text_as_it_is() -> None:
    out = io.StringIO()
    Output(out, io.StringIO(), {}).answer("4\x1b[31m")
    assert out.getvalue() == "4\x1b[31m"


@pytest.mark.parametrize("env", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}, {}])
def test_no_colour_where_none_is_wanted(env: dict[str, str]) -> None:
    err = Terminal()
    output = Output(None, err, env)
    output.note("x")
    output.error("y")
    assert "\x1b" not in err.getvalue()


def test_quiet_hides_notes_but_not_errors() -> None:
    err = io.StringIO()
    output = Output(None, err, {}, quiet=True)
    output.note("x")
    output.error("y")
    assert err.getvalue() == "tierchat: y\n"


def test_a_stream_that_cannot_speak_unicode_gets_ascii() -> None:
    raw = io.BytesIO()
    err = io.TextIOWrapper(raw, encoding="ascii")
    Output(None, err, {}).note("XS→S │ ≈ 3 %")
    assert raw.getvalue() == b"XS>S | ~ 3 %\n"


def test_closed_streams_are_no_crash() -> None:
    Output(None, None, {}).error("x")
    with pytest.raises(StdoutClosed):
        Output(None, None, {}).answer("x")


def test_a_result_is_wrapped_on_a_terminal_and_nowhere_else() -> None:
    line = "name  " + "word " * 40
    for out in (Terminal(), io.StringIO()):
        output = Output(out, None, {"TERM": "xterm"})
        output.line(line)
        output.json(line)
        *lines, json = out.getvalue().splitlines()
        assert json == f'"{line}"'
        assert max(map(len, lines)) <= 80 if out.isatty() else lines == [line]
        assert lines[0].startswith("name  word") and all(" " * 6 in each for each in lines[1:])
