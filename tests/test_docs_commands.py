"""The commands on the pages run at a terminal and print what is shown."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from tests.conftest import UserHome
from tests.test_docs import DOCS, PAGES, README, ROOT
from tests.trapping import quirks_here
from tierchat.paths import make_private


@dataclass(frozen=True)
class Shown:
    """One command of a page with what is printed below it.

    `mark` is the word behind ```console: of `machine` the output differs from machine to machine
    and is not compared; what needs the `network` or is `slow` is not run.
    """

    line: str
    output: tuple[str, ...]
    mark: str

    @property
    def is_run(self) -> bool:
        return self.mark in ("", "machine")


def shown_commands(page: Path) -> Iterator[Shown]:
    """Find the commands of all blocks that begin with ```console."""
    text = page.read_text("utf-8")
    for mark, block in re.findall(r"^```console *(\S*)\n(.*?)^```", text, re.M | re.S):
        for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.M)[1:]:
            line, *output = part.rstrip("\n").split("\n")
            yield Shown(line, tuple(filter(str.strip, output)), mark)


SHOWN = {page.name: list(shown_commands(page)) for page in PAGES}
# How long something took, and what it cost, differ from run to run.
_SECONDS = re.compile(r"<?\d[\d.]* (?:ms|s)\b")
_FIGURE = re.compile(r"\d[\d.]*(?= (?:%|prompt\b))")


def without_figures(lines: Iterable[str]) -> str:
    """Drop what differs from run to run: figures with a unit, line ends, and loading."""
    told = [line for line in lines if ": loading " not in line]
    text = _FIGURE.sub("#", _SECONDS.sub("# s", " ".join(told)))
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(name, marks=[] if name == README.name else [pytest.mark.slow])
        for name, shown in SHOWN.items()
        if any(command.is_run for command in shown)
    ],
)
def test_the_commands_of_a_page_run_and_print_what_is_shown(page: str, home: UserHome) -> None:
    env = environment(home)
    # A build whose AMX kernels trap says so once; it is known here, and not said below a prompt.
    make_private(home.paths.state_dir)
    quirks_here(home.paths.machine_file)
    code: int | None = 0
    for command in (shown for shown in SHOWN[page] if shown.is_run):
        if command.line == "echo $?":
            assert command.output == (str(code),)
            code = 0
            continue
        assert code == 0, f"a failure that is not shown, before {command.line}"
        is_asked = any("[y/N]" in line for line in command.output)
        code, printed = at_a_terminal(command.line, env, home.directory, presses_enter=is_asked)
        if command.output and not command.mark:
            assert without_figures(printed) == without_figures(command.output), command.line
    assert code == 0


def environment(home: UserHome) -> dict[str, str]:
    """Give a home where `tierchat` is a command, as for a reader who has installed it."""
    starter = home.directory / "bin" / "tierchat"
    starter.parent.mkdir()
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tierchat "$@"\n')
    starter.chmod(0o755)
    path = f"{starter.parent}:{os.environ['PATH']}"
    return {"PYTHONPATH": str(ROOT), **home.env, "PATH": path, "TERM": "xterm"}


def at_a_terminal(
    line: str, env: dict[str, str], cwd: Path, *, presses_enter: bool = False
) -> tuple[int | None, list[str]]:
    """Run a line as a person would see it; returns exit code and printed lines."""
    size = (50, 400)
    child = pexpect.spawn(
        "bash", ["-c", line], env=env, cwd=cwd, encoding="utf-8", dimensions=size, timeout=120
    )
    if presses_enter:
        child.expect_exact("[y/N]")
        child.sendline()
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before.replace("\r", "").splitlines()


def test_what_is_not_run_is_marked_and_counted() -> None:
    """A command that needs a network or minutes is marked, so that none is skipped by accident."""
    counted = Counter(shown.mark for shown in SHOWN["README.md"])
    assert counted["network"] == 2 and counted["slow"] == 0
    assert counted[""] + counted["machine"] >= 10
    marks = {shown.mark for page in SHOWN.values() for shown in page}
    assert marks <= {"", "machine", "network", "slow"}


def test_the_queries_of_the_pages_work(warm: UserHome) -> None:
    assert warm.run("ask", "What is 17*24?").returncode == 0
    page = (DOCS / "chat-and-pipelines.md").read_text("utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, re.S)
    assert len(queries) == 3
    with contextlib.closing(sqlite3.connect(f"file:{warm.paths.log_file}?mode=ro", uri=True)) as db:
        for query in queries:
            assert db.execute(query).fetchall()
