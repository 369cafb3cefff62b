"""Arguments and standard input put together, from real pipes and files."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierchat.cli.ask.stdin import Notices, Stdin, read_prompt, readable
from tierchat.errors import UsageError

SILENT = Notices(pytest.fail, lambda _text: None)


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
        assert read_prompt(["a"], stdin, "auto", SILENT) == "a\n\nb"


def test_a_pipe_that_does_not_wait_by_itself_is_waited_for() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)

    def speak() -> None:
        os.write(write, b"2+2")
        os.close(write)

    timer = threading.Timer(0.2, speak)
    timer.start()
    assert read_prompt([], Stdin(read, False), "auto", SILENT) == "2+2"
    timer.join()
    os.close(read)


def test_stdin_that_cannot_be_read_is_named_as_such() -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        with pytest.raises(UsageError, match="cannot read standard input: Bad file"):
            read_prompt([], Stdin(descriptor, False), "auto", SILENT)
    finally:
        os.close(descriptor)


def test_a_terminal_is_read_only_when_asked(pipe: tuple[int, int]) -> None:
    assert read_prompt(["a"], Stdin(pipe[0], True), "auto", SILENT) == "a"
    with pytest.raises(UsageError, match="empty"):
        read_prompt([], Stdin(pipe[0], True), "auto", SILENT)


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


def said(words: list[str], descriptor: int) -> tuple[str, list[str]]:
    """Return the prompt and everything that a person is told about it."""
    told: list[str] = []
    notices = Notices(told.append, told.append)
    return read_prompt(words, Stdin(descriptor, False), "auto", notices), told


def test_a_slow_pipe_is_waited_for_and_that_is_said() -> None:
    read, write = os.pipe()

    def speak() -> None:
        time.sleep(1.3)
        os.write(write, b"17*24\n")
        os.close(write)

    speaking = threading.Thread(target=speak)
    speaking.start()
    prompt, told = said(["What is"], read)
    speaking.join()
    os.close(read)
    assert prompt == "What is\n\n17*24"
    assert told == [
        "waiting for standard input to end; --no-stdin goes on without it",
        "+ 5 bytes from standard input",
    ]


def test_a_pipe_with_nothing_in_it_is_told() -> None:
    read, write = os.pipe()
    os.close(write)
    assert said(["Summarise"], read) == ("Summarise", ["standard input was empty"])
    os.close(read)


def test_nothing_is_said_of_the_null_device() -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    assert said(["2+2"], descriptor) == ("2+2", [])
    os.close(descriptor)


def test_a_file_that_a_loop_reads_is_left_alone_until_its_last_line(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("one\ntwo\n")
    descriptor = os.open(file, os.O_RDONLY)
    assert said(["one"], descriptor) == ("one\n\none\ntwo", ["+ 7 bytes from standard input"])
    os.lseek(descriptor, 4, os.SEEK_SET)
    prompt, told = said(["one"], descriptor)
    assert prompt == "one" and os.lseek(descriptor, 0, os.SEEK_CUR) == 4
    assert "left alone" in told[0] and "--stdin" in told[0] and "--no-stdin" in told[0]
    os.lseek(descriptor, 0, os.SEEK_END)
    assert said(["two"], descriptor) == ("two", [])
    os.close(descriptor)


def test_a_socket_that_stays_silent_is_not_waited_for_without_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        prompt, told = said(["2+2"], ours.fileno())
        assert prompt == "2+2" and "--stdin waits" in told[0]
        theirs.sendall(b"text")
        theirs.shutdown(socket.SHUT_WR)
        assert said(["2+2"], ours.fileno())[0] == "2+2\n\ntext"


def test_a_pipe_that_we_hold_open_ourselves_is_not_waited_for_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    descriptor = os.open(tmp_path / "fifo", os.O_RDWR)
    prompt, told = said(["2+2"], descriptor)
    os.close(descriptor)
    assert prompt == "2+2" and "never end" in told[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_what_windows_pipes_is_read_by_its_mark(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("wie groß\r\n".encode(encoding))
    with (tmp_path / "text").open() as file:
        assert read_prompt([], Stdin(file.fileno(), False), "auto", SILENT) == "wie groß"
