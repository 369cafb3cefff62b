"""A command of the shell in parts: programs, options, arguments, and the signs between them.

Does not run anything, and does not know what a program does.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PARTS = 16
_CHECK_S = 5.0
# What the signs of a shell mean; a model need not be asked.
SIGNS = {
    "|": "gives what the left side prints to the right side",
    "&&": "goes on if that worked",
    "||": "goes on if that failed",
    ";": "and then",
    "&": "runs it in the background",
    ">": "writes the output into a file, replacing it",
    ">>": "adds the output to the end of a file",
    "<": "reads the input from a file",
    "(": "begins a group",
    ")": "ends a group",
}
_NEXT_IS_PROGRAM = ("|", "&&", "||", ";", "&", "(")
_BUILTINS = frozenset(
    "cd echo export set unset read test [ [[ for while if do done then else fi case esac in pwd "
    "printf source . : true false exit return eval exec alias history time { } ! until wait kill "
    "type command umask ulimit trap jobs bg fg let local declare function select shift".split()
)
_POSIX = ("sh", "bash", "zsh", "dash", "ksh")


@dataclass(frozen=True)
class Part:
    """A piece of a command as it stands there; `is_program` where a program is named."""

    text: str
    is_program: bool = False

    @property
    def is_sign(self) -> bool:
        return self.text in SIGNS


def parts_of(command: str) -> list[Part]:
    """Split a command; one that cannot be split is one part."""
    lexer = shlex.shlex(command, posix=False, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return [Part(command)]
    parts: list[Part] = []
    is_program = True
    for word in words:
        if word in SIGNS:
            parts.append(Part(word))
            is_program = word in _NEXT_IS_PROGRAM or (is_program and word == ")")
        else:
            is_setting = is_program and "=" in word.split("/")[0] and not word.startswith("=")
            parts.append(Part(word, is_program=is_program and not is_setting))
            is_program = is_setting
    return parts


def problem(command: str, shell: str) -> str:
    """Say why a command cannot be run as it is; empty if nothing is known against it."""
    if shell.rpartition("/")[2] in _POSIX:
        try:
            # `-n` reads a command without running it.
            checked = subprocess.run(
                [shell, "-n", "-c", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_CHECK_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired, ValueError):
            return ""
        if checked.returncode:
            said = checked.stderr.decode("utf-8", "replace").strip().splitlines()
            return f"the shell cannot read it: {said[0][:120] if said else 'syntax error'}"
    missing = _missing(parts_of(command))
    return f"{missing} is not installed here" if missing else ""


def _missing(parts: Sequence[Part]) -> str:
    for part in parts:
        name = part.text
        is_plain = name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        if part.is_program and is_plain and name not in _BUILTINS and not shutil.which(name):
            return name
    return ""
