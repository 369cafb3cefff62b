"""Who else reads from our standard input: the loop, script or hook that started us.

Asks /proc, so that nothing is known on systems without it. Reads nothing from standard input.

A command inherits the standard input of the shell that starts it. In `cmd | tierchat ask "..."` the
pipe was made for us. In `cmd | while read line; do tierchat ask "$line"; done` it is the loop's,
and reading it would end the loop. Both look the same from inside; what differs is what the
processes above us, as far up as they have the same standard input, have done or are about to do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SHELLS = {
    *("sh", "bash", "dash", "ash", "zsh", "fish", "busybox", "yash", "posh", "csh", "tcsh"),
    *("ksh", "ksh93", "mksh", "oksh", "pdksh"),
}
# A program in one of these languages that starts us has a use of its own for its input.
_INTERPRETER = re.compile(r"(python|pypy|perl|ruby|node|nodejs|php|lua|tclsh)[\d.]*")
# Where a shell's `read` stands as a command; one with a redirection of its own is no reader.
_READ = re.compile(
    r"""(?:^|[;&|({!`]|\b(?:while|until|if|elif|then|do|else|time)\b)\s*
    (?:\w+=(?:"[^"]*"|'[^']*'|\S)*\s+)*
    (?:read|readarray|mapfile)(?![\w./=-])(?![^;&|\n]*(?:<|\s-u))""",
    re.MULTILINE | re.VERBOSE,
)
# Commands that a shell runs from elsewhere, so that its script does not show whether it reads.
_ELSEWHERE = re.compile(
    r"""(?:^|[;&|({!`]|\b(?:then|do|else)\b)\s*(?:eval|source|\.)\s""", re.MULTILINE
)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
# Above this mean, a subshell has read the output of commands: `$(...)` takes all of it at once.
_MEAN_OF_READ = 4
_MAX_ANCESTORS = 16
_MAX_SCRIPT_BYTES = 1 << 20


@dataclass(frozen=True)
class _Reads:
    """The bytes that a process has read, and the calls that it took."""

    num_bytes: int
    num_calls: int

    @property
    def are_small(self) -> bool:
        """Whether they look like those of `read`, which takes a pipe byte by byte."""
        return self.num_bytes <= _MEAN_OF_READ * self.num_calls


@dataclass(frozen=True)
class _Process:
    """A process as /proc describes it; `program` is the name of the file that it executes."""

    pid: int
    parent: int
    name: str
    program: str
    arguments: tuple[str, ...]

    @classmethod
    def find(cls, pid: int) -> _Process | None:
        try:
            name, _, rest = _read(pid, "stat").partition("(")[2].rpartition(")")
            arguments = tuple(_read(pid, "cmdline").split("\0")[:-1])
        except (OSError, ValueError):
            return None
        try:
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            # A process of another user, such as sudo.
            program = ""
        return cls(pid, int(rest.split()[1]), name, program.removesuffix(" (deleted)"), arguments)

    def reads(self) -> _Reads | None:
        """Return what the process has read since it was forked; None if that is not known.

        The counters of its one thread are read: those of the process count ended children, too.
        """
        try:
            lines = _read(self.pid, f"task/{self.pid}/io").splitlines()
            counts = dict(line.split(": ") for line in lines)
            return _Reads(int(counts["rchar"]), int(counts["syscr"]))
        except (OSError, ValueError, KeyError):
            return None

    def is_fork_of(self, other: _Process | None) -> bool:
        """Whether this is a subshell: a copy of its parent that runs the same program."""
        return other is not None and (self.program, self.arguments) == (
            other.program,
            other.arguments,
        )

    def script(self) -> str | None:
        """Return the commands that a shell was started with; None if it is given them one by one.

        A script that cannot be read is empty.
        """
        rest = iter(self.arguments[1:])
        for argument in rest:
            if argument[:1] not in ("-", "+") or argument == "-":
                return self._file(argument)
            if argument in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"):
                next(rest, None)
            elif not argument.startswith("--") and "c" in argument:
                return next((text for text in rest if text[:1] not in ("-", "+")), "")
            elif not argument.startswith("--") and "s" in argument:
                return None
        return None

    def _file(self, name: str) -> str:
        path = os.path.join(f"/proc/{self.pid}/cwd", name)
        try:
            # As `bash <(...)` has it, /dev/fd/63 is a pipe, and a descriptor of the shell.
            if not os.path.isfile(path) or name.startswith(("/dev/", "/proc/")):
                return ""
            with open(path, "rb") as file:
                return file.read(_MAX_SCRIPT_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""


def other_reader(descriptor: int) -> str | None:
    """Return the program above us that reads from this descriptor, too; None if none is known."""
    try:
        ours = _identity(os.fstat(descriptor))
    except OSError:
        return None
    below: _Process | None = None
    for process in _ancestors():
        if not _has_as_stdin(process, ours):
            is_hook = below is not None and below.program in _SHELLS
            return "git" if is_hook and process.name.startswith("git") else None
        above = _Process.find(process.parent)
        if _INTERPRETER.fullmatch(process.name) or (
            process.program in _SHELLS and _reads_itself(process, above)
        ):
            return process.name
        below = process
    return None


def _reads_itself(shell: _Process, above: _Process | None) -> bool:
    script = shell.script()
    if shell.is_fork_of(above) and (reads := shell.reads()):
        # The counters of a subshell start at zero.
        if reads.num_bytes == 0:
            return False
        if script is None:
            return reads.are_small
        if reads.are_small and (not script or _ELSEWHERE.search(script)):
            return True
    # Without a script a shell takes its commands from its input, or a person types a loop.
    return script is None or bool(_READ.search(_COMMENT.sub("", script)))


def _ancestors() -> Iterator[_Process]:
    pid = os.getppid()
    for _ in range(_MAX_ANCESTORS):
        process = _Process.find(pid)
        if process is None or pid <= 1:
            return
        yield process
        pid = process.parent


def _has_as_stdin(process: _Process, wanted: tuple[int, int]) -> bool:
    try:
        return _identity(os.stat(f"/proc/{process.pid}/fd/0")) == wanted
    except OSError:
        return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _read(pid: int, name: str) -> str:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().decode("utf-8", "surrogateescape")
