"""Which words behind `ask` are prompts although they begin with a dash."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import UserHome
from tierchat.cli.dashed_prompts import with_prompt_apart
from tierchat.cli.main import build_app
from tierchat.conversations.reader import LogReader


@pytest.fixture(scope="module")
def options() -> list[Any]:
    group: Any = typer.main.get_command(build_app("ask"))
    return [each for each in group.commands["ask"].params if hasattr(each, "is_flag")]


@pytest.mark.parametrize(
    "prompt",
    [
        *("-5+3", "-5", "-.5 * 2", "-(3+4)", "-x+3", "-x-3", "-x^2 + 1", "-b/2a", "-tan(3)"),
        *("-sin(x)", "-f(x) = 2", "-cos(0)", "-2x", "-π/2", "-½", "-√4", "-1e3", "-x is odd?"),
        *("- one\n- two", "-m is mass, what is F?", "-t + 3", "-o, what a day", "-c what"),
        *("--x is odd, why?", "--5", "--3 + 1", "--- a/file\n+++ b/file", "-----BEGIN KEY"),
        *("--x++", "--i; what does it do?", "→", "-→"),
    ],
)
def test_a_prompt(prompt: str, options: list[Any]) -> None:
    assert with_prompt_apart(["ask", "-q", prompt, "-o", "seed=1"], options) in (
        ["ask", "-q", "-o", "seed=1", "--", prompt],
        ["ask", "-q", prompt, "-o", "seed=1"] if not prompt.startswith("-") else [],
    )


@pytest.mark.parametrize(
    "arguments",
    [
        *(["-q", "2+2"], ["-qj", "2+2"], ["--frob"], ["--frob=a b"], ["-Z"], ["-k5"], ["-T0.7"]),
        *(["-mpocket", "x"], ["-tcommit"], ["-sYou are a pirate", "x"], ["-f./a b.txt", "x"]),
        *(["-otemperature=-1", "x"], ["-temperature=1"], ["-max-tokens"], ["-h"], ["-qh"]),
        *(["--keepalive", "-1", "x"], ["--seed", "-5", "x"], ["-s", "-5+3", "x"], ["x", "-"]),
        *(["--system=-5 + 3", "x"], ["--", "-5+3"], ["-o", "temperature=-1", "x"], ["-f", "-"]),
        *(["--timeout", "-1"], ["-s", "--x is odd"], ["-"], []),
    ],
)
def test_options_their_values_and_mistakes_stay(arguments: list[str], options: list[Any]) -> None:
    assert with_prompt_apart(["ask", *arguments], options) == ["ask", *arguments]


def test_several_words_keep_their_order(options: list[Any]) -> None:
    line = ["ask", "what", "is", "-5", "-q", "+", "--seed", "-3", "-3"]
    assert with_prompt_apart(line, options) == (
        ["ask", "-q", "--seed", "-3", "--", "what", "is", "-5", "+", "-3"]
    )


@given(line=st.lists(st.text("-a5=x( oqstf", max_size=6), max_size=6))
def test_no_word_is_lost(line: list[str], options: list[Any]) -> None:
    found = with_prompt_apart(["ask", *line], options)
    assert (
        sorted(w for w in found if w != "--") == sorted(w for w in ["ask", *line] if w != "--")
        or "--" in line
    )


def test_such_prompts_are_asked(home: UserHome) -> None:
    home.start_scripted()
    for prompt in ("-5+3", "--x is odd, why?", "-tan(3)"):
        assert home.run("ask", "-q", prompt).returncode == 0
        assert home.run("ask", "-q", "--", prompt).returncode == 0
    reader = LogReader(home.paths.log_file)
    assert reader.exchanges(str(reader.last()))[-1].prompt == "-tan(3)"


def test_what_may_be_a_mistyped_option_is_refused_with_the_way_out(warm: UserHome) -> None:
    found = warm.run("ask", "--quite", "2+2")
    assert found.returncode == 2 and b"--quiet" in found.stderr
    found = warm.run("ask", "-k5")
    assert found.returncode == 2 and b'tierchat ask -- "-k5"' in found.stderr
    found = warm.run("logs", "search", "-y2")
    assert found.returncode == 2 and b'tierchat logs search -- "-y2"' in found.stderr
