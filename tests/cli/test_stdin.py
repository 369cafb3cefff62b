"""Arguments and standard input put together, from real pipes and files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.cli.ask.stdin import Stdin, read_prompt, readable
from tierchat.errors import UsageError


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        os.close(end)


def test_argument_blank_line_stdin(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("b\r\n\n")
    with (tmp_path / "text").open() as file:
        stdin = Stdin(file.fileno(), False)
        assert read_prompt(["a"], stdin, "auto", pytest.fail) == "a\n\nb"


def test_a_pipe_that_does_not_wait_by_itself_is_waited_for() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)

    def speak() -> None:
        os.write(write, b"2+2")
        os.close(write)

    timer = threading.Timer(0.2, speak)
    timer.start()
    assert read_prompt([], Stdin(read, False), "auto", pytest.fail) == "2+2"
    timer.join()
    os.close(read)


def test_stdin_that_cannot_be_read_is_named_as_such() -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        with pytest.raises(UsageError, match="cannot read standard input: Bad file"):
            read_prompt([], Stdin(descriptor, False), "auto", pytest.fail)
    finally:
        os.close(descriptor)


def test_a_terminal_is_read_only_when_asked(pipe: tuple[int, int]) -> None:
    assert read_prompt(["a"], Stdin(pipe[0], True), "auto", pytest.fail) == "a"
    with pytest.raises(UsageError, match="empty"):
        read_prompt([], Stdin(pipe[0], True), "auto", pytest.fail)


@pytest.mark.parametrize(
    ("argument", "text", "num_notices"),
    [
        ("2+2", "2+2", 0),
        ("два", "два", 0),
        ("два".encode().decode("ascii", "surrogateescape"), "два", 0),
        ("а\udcff", "а\ufffd", 1),
        ("\ufffd", "\ufffd", 0),
        ("\ud800", "\ufffd\ufffd\ufffd", 1),
    ],
)
def test_an_argument_is_made_readable(argument: str, text: str, num_notices: int) -> None:
    notices: list[str] = []
    assert readable(argument, notices.append) == text
    assert len(notices) == num_notices


@given(st.text(st.characters(exclude_categories=())))
def test_any_argument_becomes_text_that_can_be_sent(argument: str) -> None:
    clean = readable(argument, lambda _text: None)
    assert clean.encode().decode() == clean
