"""The person at the terminal, asked whether a call of a tool may be run.

What is shown is what would be run, with every character that cannot be seen written out and a mark
before each line, so that no argument can look like the question. Does not know tools.
"""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tierchat.terminal.harmless import as_it_is
from tierchat.terminal.output import Output

if TYPE_CHECKING:
    from tierchat.tools.approvals import Answer

_MARK = "│ "
_WORDS: dict[Answer, str] = {
    "once": "[y]es",
    "session": "yes for this [s]ession",
    "always": "[a]lways",
}
_KEYS: dict[str, Answer] = {
    **{"y": "once", "yes": "once", "s": "session", "session": "session"},
    **{"a": "always", "always": "always"},
}


class PersonAtTerminal:
    """Whoever sits at the controlling terminal, whatever stdin is.

    `usual_keys` lets the terminal echo and edit lines while the question is open.
    """

    def __init__(
        self,
        output: Output,
        usual_keys: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._output, self._usual_keys = output, usual_keys

    def allows(self, name: str, shown: str, answers: tuple[Answer, ...]) -> Answer | None:
        """Show a call and ask; without `answers` only show it. None where nobody can be asked."""
        if not self._output.is_err_terminal:
            return None
        try:
            terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        except OSError:
            return None
        try:
            lines = [f"{_MARK}{line}" for line in as_it_is(shown).split("\n")]
            what = f"{name} runs:" if not answers else f"{name} wants to run:"
            self._output.question("\n".join([what, *lines, ""]))
            if not answers:
                return "once"
            choices = ", ".join([*(_WORDS[answer] for answer in answers), "[N]o"])
            with self._usual_keys():
                # What was typed before the question was seen is no answer to it.
                termios.tcflush(terminal, termios.TCIFLUSH)
                self._output.question(f"Allow it? {choices} ")
                given = _KEYS.get(_line(terminal))
            return given if given in answers else "no"
        finally:
            os.close(terminal)


def _line(terminal: int) -> str:
    with open(terminal, "rb", buffering=0, closefd=False) as keys:
        return keys.readline(80).decode("utf-8", "replace").strip().casefold()
