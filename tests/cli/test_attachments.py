"""Files that go with a prompt, from the disk, from pipes and from standard input."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conftest import UserHome
from tierchat.cli.ask.attachments import attach, read_text
from tierchat.cli.ask.stdin import Notices, Stdin
from tierchat.conversations.reader import LogReader
from tierchat.errors import UsageError

SILENT = Notices(pytest.fail, pytest.fail)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_a_byte_order_mark_says_how_to_read_a_file(encoding: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding.endswith("-be") else ""
    (tmp_path / "a.txt").write_bytes(f"{mark}naïve 😀\r\n".encode(encoding))
    assert read_text(tmp_path / "a.txt", pytest.fail) == "naïve 😀\n"


def test_a_character_that_is_in_the_file_itself_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("what does \ufffd mean?")
    assert read_text(tmp_path / "a.txt", pytest.fail) == "what does \ufffd mean?"


def test_standard_input_can_be_one_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A")
    read, write = os.pipe()
    os.write(write, b"B\n")
    os.close(write)
    text = attach([tmp_path / "a.txt", Path("-")], Stdin(read, False), SILENT)
    os.close(read)
    assert text == "a.txt:\n```\nA\n```\n\nstandard input:\n```\nB\n```"


def test_the_name_of_a_file_may_be_no_text(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.txt")
    file.write_text("2+2")
    assert attach([file], Stdin(None, False), SILENT).startswith("caf\\xe9.txt:\n")


def test_a_named_pipe_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    timer = threading.Timer(1.2, lambda: pipe.write_text("late"))
    timer.start()
    told: list[str] = []
    assert read_text(pipe, told.append) == "late"
    timer.join()
    assert told == [f"waiting for {pipe} to end; Ctrl-C stops"]


def test_a_directory_and_a_device_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        read_text(tmp_path, pytest.fail)
    with pytest.raises(UsageError, match="neither a file nor a pipe"):
        read_text(Path("/dev/zero"), pytest.fail)


def test_process_substitution_and_standard_input_as_files(home: UserHome) -> None:
    home.start_scripted()
    ask = " ".join(home.command("ask", "-q", "-f"))

    def prompt_of(script: str) -> str:
        subprocess.run(["bash", "-c", script], env=home.env, check=True)
        reader = LogReader(home.paths.log_file)
        return reader.exchanges(str(reader.last()))[-1].prompt

    assert prompt_of(f"{ask} <(echo one) 'Sum up'").endswith(":\n```\none\n```")
    assert prompt_of(f"echo two | {ask} - 'Sum up'") == ("Sum up\n\nstandard input:\n```\ntwo\n```")


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_told(tmp_path: Path, data: bytes) -> None:
    told: list[str] = []
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    attach([file], Stdin(None, False), Notices(told.append, told.append))
    assert told == [f"{file} is empty"]


@pytest.mark.parametrize("codec", ["utf-16le", "utf-16be"])
def test_utf_16_without_a_mark_gets_the_command_that_converts_it(
    tmp_path: Path, codec: str
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("The cat sat on the mat, \u2026", codec)
    with pytest.raises(UsageError) as raised:
        read_text(file, str)
    assert raised.value.hint == f"it may be UTF-16: iconv -f {codec} -t utf-8"
    file.write_bytes(bytes(100) + b"\x7fELF")
    with pytest.raises(UsageError) as raised:
        read_text(file, str)
    assert "UTF-16" not in raised.value.hint
