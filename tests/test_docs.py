"""The documents say what the code does: pointers lead somewhere, commands run, help is current."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pexpect
import pytest

from tests.conftest import Home
from tests.test_architecture import CLI_ORDER, ROOMS, SEAMS, WORDS
from tests.trapping import quirks_here
from tierchat.paths import make_private

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
_POINTER = re.compile(r"`([\w./-]+\.py)(?::([\w.]+))?`")
_FILE = re.compile(r"`((?:tests|bench|docs|tierchat|\.ci)/[\w./-]*)`")
# A command that CONTRIBUTING.md writes for an example.
_EXAMPLE = "greet.py"
_MODULE = re.compile(r"python -m (tierchat[\w.]*)")
_LINK = re.compile(r"\]\(([^)#\s]+)?(#[\w-]+)?\)")
_MAX_README_LINES = 200


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_commands_is_current() -> None:
    assert (DOCS / "cli.md").read_text("utf-8") == generator().page(), (
        "help has changed: run `python docs/generate_cli.py`"
    )


def file_named(name: str) -> Path | None:
    places = (ROOT / "tierchat" / name, ROOT / name)
    return next((place for place in places if place.exists()), None)


def names_in(path: Path) -> set[str]:
    """List what a file defines: functions, classes, their methods, and constants."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        found |= names_of(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for inner in node.body for name in names_of(inner)}
    return found


def names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_pointer_into_the_code_leads_somewhere(page: Path) -> None:
    lost = []
    text = page.read_text("utf-8").replace("file.py:function", "")
    for file, name in _POINTER.findall(text):
        path = file_named(file)
        if file.endswith(_EXAMPLE):
            continue
        if path is None or (name and name not in names_in(path)):
            lost.append(f"{file}:{name}")
    folders = [name for name in _FILE.findall(text) if not name.endswith(_EXAMPLE)]
    lost += [name for name in folders if not (ROOT / name).exists()]
    assert not lost


def test_every_module_that_is_started_by_name_is_there() -> None:
    notes = [ROOT / "bench" / "RESULTS.md", ROOT / "tierchat" / "pocket" / "models" / "ROUNDS.md"]
    names = {name for page in [*PAGES, *notes] for name in _MODULE.findall(page.read_text("utf-8"))}
    lost = {
        name
        for name in names - {"tierchat"}
        if not (ROOT / name.replace(".", "/")).with_suffix(".py").exists()
    }
    assert not lost


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    lost = []
    for file, anchor in _LINK.findall(page.read_text("utf-8")):
        if "://" in file:
            continue
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor[1:] not in anchors(target)):
            lost.append(file + anchor)
    assert not lost


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as GitHub links them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}


def rows(heading: str) -> list[list[str]]:
    """Read the first table below a heading of ARCHITECTURE.md, without its two head lines."""
    text = (DOCS / "ARCHITECTURE.md").read_text("utf-8").split(heading, 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", text, re.M)
    assert lines
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]


def test_the_page_has_the_rooms_that_the_code_keeps_to() -> None:
    written = {
        room.strip("`"): set(re.findall("`([^`]+)`", imports))
        for room, _, imports in rows("## Rooms")
    }
    assert written == {room: set(imports) for room, imports in ROOMS.items()}
    text = (DOCS / "ARCHITECTURE.md").read_text("utf-8").split("## Rooms")[1]
    assert {f"`{word}.py`" for word in WORDS} <= set(re.findall("`[^`]+`", text.split("|")[0]))


def test_the_page_has_the_order_inside_the_command_line() -> None:
    order = ", ".join(f"`{part}`" for part in CLI_ORDER)
    assert order in (DOCS / "ARCHITECTURE.md").read_text("utf-8")


def test_the_page_has_the_doors_of_the_libraries() -> None:
    written = {
        library: {file.removesuffix(".py").replace("/", ".") for file in re.findall(r"`(.+?)`", at)}
        for libraries, at in rows("Some libraries have a single door")
        for library in libraries.split(", ")
    }
    doors = {
        library: {f.removeprefix("tierchat.") for f in files} for library, files in SEAMS.items()
    }
    assert written == doors


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) < _MAX_README_LINES


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
def test_the_commands_of_a_page_run_and_print_what_is_shown(page: str, home: Home) -> None:
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
        code, printed = at_a_terminal(command.line, env, home.directory)
        if command.output and not command.mark:
            assert without_figures(printed) == without_figures(command.output), command.line
    assert code == 0


def environment(home: Home) -> dict[str, str]:
    """Give a home where `tierchat` is a command, as for a reader who has installed it."""
    starter = home.directory / "bin" / "tierchat"
    starter.parent.mkdir()
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tierchat "$@"\n')
    starter.chmod(0o755)
    path = f"{starter.parent}:{os.environ['PATH']}"
    return {"PYTHONPATH": str(ROOT), **home.env, "PATH": path, "TERM": "xterm"}


def at_a_terminal(line: str, env: dict[str, str], cwd: Path) -> tuple[int | None, list[str]]:
    """Run a line as a person would see it; returns exit code and printed lines."""
    size = (50, 400)
    child = pexpect.spawn(
        "bash", ["-c", line], env=env, cwd=cwd, encoding="utf-8", dimensions=size, timeout=120
    )
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


def test_the_queries_of_the_pages_work(warm: Home) -> None:
    assert warm.run("ask", "What is 17*24?").returncode == 0
    page = (DOCS / "chat-and-pipelines.md").read_text("utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, re.S)
    assert len(queries) == 3
    with contextlib.closing(sqlite3.connect(f"file:{warm.paths.log_file}?mode=ro", uri=True)) as db:
        for query in queries:
            assert db.execute(query).fetchall()
