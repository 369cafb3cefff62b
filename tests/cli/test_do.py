"""`tierchat do` as a user runs it: nothing is run without a yes, and the exit code passes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.conftest import UserHome, new_home
from tierchat.cli.actions.doing.parts import Part, parts_of, problem


@pytest.fixture(scope="module")
def scripted() -> Iterator[UserHome]:
    with new_home() as found:
        found.paths.config_dir.mkdir(mode=0o700)
        found.paths.config_file.write_text('cascade = "coder"\nteach = false\n')
        found.start_scripted()
        yield found


def spawn(home: UserHome, where: Path, *arguments: str) -> pexpect.spawn[str]:
    program, *rest = home.command("do", *arguments)
    env = {**home.env, "TERM": "xterm", "PYTHONPATH": str(Path.cwd()), "SHELL": "/bin/sh"}
    return pexpect.spawn(
        program, rest, env=env, timeout=60, dimensions=(24, 120), cwd=str(where), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("key", "code", "is_made"), [("y", 3, True), ("n", 1, False), ("", 1, False)]
)
def test_a_command_is_explained_and_run_after_a_yes(
    scripted: UserHome, tmp_path: Path, key: str, code: int, is_made: bool
) -> None:
    with spawn(scripted, tmp_path, "command: touch made.txt | cat; exit 3") as child:
        child.expect(r"touch +says touch")
        child.expect(r"made.txt +says made.txt")
        child.expect(r"\| +gives what the left side prints to the right side")
        child.expect(r"XS wants to run:\r\n│ touch made.txt \| cat; exit 3")
        child.expect(r"Allow it\? \[y\]es, \[N\]o ")
        assert not (tmp_path / "made.txt").exists()
        child.send(f"{key}\n")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code and (tmp_path / "made.txt").exists() == is_made


def test_the_command_has_the_terminal_and_its_interrupts(
    scripted: UserHome, tmp_path: Path
) -> None:
    with spawn(
        scripted, tmp_path, "--no-explain", "command: read x; echo got $x; sleep 60"
    ) as child:
        child.expect(r"\[N\]o ")
        child.send("y\n")
        child.send("hello\n")
        child.expect("got hello")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130


def test_print_writes_the_command_and_runs_nothing(scripted: UserHome, tmp_path: Path) -> None:
    found = scripted.run("do", "--print", f"command: touch {tmp_path}/made.txt")
    assert (found.returncode, found.stderr) == (0, b"")
    assert found.stdout.decode() == f"touch {tmp_path}/made.txt\n" and not list(tmp_path.iterdir())


def test_nothing_is_run_where_nobody_can_say_yes(scripted: UserHome, tmp_path: Path) -> None:
    found = scripted.run("do", f"command: touch {tmp_path}/made.txt", stdin=b"y\n")
    assert found.returncode == 2 and b"no terminal to ask at" in found.stderr
    assert not found.stdout and not list(tmp_path.iterdir())


def test_what_cannot_be_seen_in_a_command_is_written_out(
    scripted: UserHome, tmp_path: Path
) -> None:
    with spawn(scripted, tmp_path, "--no-explain", "command: echo \u202ehi\u200b") as child:
        child.expect(r"│ echo \\u202ehi\\u200b")
        child.send("n\n")
        child.expect("nothing was run")


def test_a_command_is_split_into_its_parts() -> None:
    assert parts_of("du -sh * | sort -h && echo 'a b' > x.txt") == [
        Part("du", is_program=True),
        *(Part("-sh"), Part("*"), Part("|")),
        *(Part("sort", is_program=True), Part("-h"), Part("&&")),
        *(Part("echo", is_program=True), Part("'a b'"), Part(">"), Part("x.txt")),
    ]
    assert parts_of("A=1 ls") == [Part("A=1"), Part("ls", is_program=True)]
    assert parts_of("echo 'open") == [Part("echo 'open")]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ls -l | wc -l", ""),
        ("for x in a b; do echo $x; done", ""),
        ("echo 'open", "the shell cannot read it"),
        ("ls | | wc", "the shell cannot read it"),
        ("no-such-program -x", "no-such-program is not installed here"),
        ("ls | no-such-program", "no-such-program is not installed here"),
    ],
)
def test_what_cannot_be_run_is_known_before(command: str, said: str) -> None:
    assert re.match(said, problem(command, "/bin/sh")) and bool(said) == bool(
        problem(command, "/bin/sh")
    )


def test_a_command_that_cannot_be_run_goes_up_a_tier(scripted: UserHome) -> None:
    found = scripted.run("do", "--print", "command: no-such-program")
    assert found.stdout == b"no-such-program\n"
    saved = scripted.run("logs", "ls", "--json")
    assert json.loads(saved.stdout.splitlines()[0])


def test_models_that_cannot_write_commands_say_so(warm: UserHome) -> None:
    found = warm.run("do", "--print", "show the largest files")
    assert found.returncode == 9 and not found.stdout and b"No tier can answer" in found.stderr
