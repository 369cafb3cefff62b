"""The tools that come with tierchat, by the names that people type after -T.

Does not know terminals or models. Those that compute or read run in a process of their own; those
that change something run in the command, which has asked the person.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tierchat.errors import UsageError, did_you_mean
from tierchat.tools import python as interpreter
from tierchat.tools.apart.process import ToolProcess
from tierchat.tools.calc import calculator
from tierchat.tools.clock import clock
from tierchat.tools.files.editing import Edits
from tierchat.tools.files.reading import Files
from tierchat.tools.shell import shell
from tierchat.tools.toolbox import Risk, Toolbox

NAMES = ("calc", "clock", "python", "files", "edit", "shell")
FILE_TOOLS = ("list_files", "read_file", "search_files")
_IN_FOLDERS = ("files", "edit")
# So long a call in the process may take; `python` keeps to less by itself.
_PROCESS_S = 15.0


class ToolNames:
    """What was typed after -T: names, the folders that `files` may read, and those for `edit`."""

    def __init__(self, given: Iterable[str], here: Path) -> None:
        """Raises UsageError for an unknown name, and a folder that is none."""
        self.names: list[str] = []
        self.folders: list[Path] = []
        self.edited: list[Path] = []
        for word in given:
            name, _, rest = word.partition(":")
            if name not in NAMES:
                known = f"the tools: {', '.join(NAMES)}"
                raise UsageError(f"no tool named {name!r}", did_you_mean(name, NAMES, known))
            if rest and name not in _IN_FOLDERS:
                raise UsageError(f"{word!r}: {name} takes nothing after a colon", f"-T {name}")
            if name in _IN_FOLDERS:
                self._add_folder(name, rest or ".", here)
            if name not in self.names:
                self.names.append(name)
        if "python" in self.names and not interpreter.is_installed():
            raise UsageError(
                "the tool python needs pydantic-monty, which is not installed",
                'pip install "tierchat[tools]"',
            )

    def _add_folder(self, name: str, text: str, here: Path) -> None:
        path = Path(os.path.realpath(here / Path(text).expanduser()))
        if not path.is_dir():
            raise UsageError(f"{name}:{text}: there is no such folder", f"-T {name}:FOLDER")
        known = self.folders if name == "files" else self.edited
        if path not in known:
            known.append(path)


def add_builtin(toolbox: Toolbox, names: ToolNames) -> ToolProcess:
    """Put the named tools into a toolbox; returns the process that they run in, to be closed."""
    process = ToolProcess(tuple(names.folders), _PROCESS_S)
    for name in names.names:
        if name == "clock":
            toolbox.add(clock)
        elif name == "calc":
            toolbox.add(_apart(process, calculator.calc), bounds_itself=True)
        elif name == "python":
            toolbox.add(_apart(process, interpreter.Interpreter().python), bounds_itself=True)
        elif name == "files":
            _add_files(toolbox, process, names.folders)
        elif name == "edit":
            edits = Edits(names.edited)
            toolbox.add(edits.edit_file, bounds_itself=True, risk="changes", preview=edits.diff)
        elif name == "shell":
            toolbox.add(
                shell, bounds_itself=True, is_foreign=True, risk="anything", preview=_as_typed
            )
    return process


def risk_of(name: str) -> Risk:
    """Return what a call of a built-in tool may do; raises UsageError for an unknown name."""
    known: dict[str, Risk] = {"edit_file": "changes", "shell": "anything"}
    known |= dict.fromkeys(("calc", "clock", "python", *FILE_TOOLS), "none")
    if name not in known:
        hint = did_you_mean(name, known, f"the tools: {', '.join(known)}")
        raise UsageError(f"no tool named {name!r}", hint)
    return known[name]


def _as_typed(command: str) -> str:
    return command


def _add_files(toolbox: Toolbox, process: ToolProcess, folders: Sequence[Path]) -> None:
    files = Files(list(folders))
    for function in (files.list_files, files.read_file, files.search_files):
        toolbox.add(_apart(process, function), bounds_itself=True, is_foreign=True)


def _apart(process: ToolProcess, function: Callable[..., str]) -> Callable[..., str]:
    """Return a function that lets the process do what this one does."""

    @functools.wraps(function)
    def run(**arguments: object) -> str:
        return process.run(function.__name__, arguments)

    return run
