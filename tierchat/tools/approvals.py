"""Whether a call may be run: what was chosen for its tool, and else what a person says.

Does not know terminals. What changes things is never run where no person can be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from tierchat.atomic_file import changing_for_user, replace_file
from tierchat.errors import UsageError
from tierchat.paths import Paths
from tierchat.tool_calls import ToolRun
from tierchat.tools.call_log import CallLog
from tierchat.tools.toolbox import Risk, ToolFunction

Approval = Literal["ask", "session", "always", "never"]
Answer = Literal["once", "session", "always", "no"]
APPROVALS: tuple[Approval, ...] = ("ask", "session", "always", "never")


class AsksPerson(Protocol):
    """Someone at a terminal."""

    def allows(self, name: str, shown: str, answers: tuple[Answer, ...]) -> Answer | None:
        """Show a call and ask; None where nobody can be asked."""


def default_approval(risk: Risk) -> Approval:
    """Return what holds for a tool that nothing was chosen for."""
    return "always" if risk == "none" else "ask"


class Approvals:
    """Decides about the calls of one command or chat. Used by one thread."""

    def __init__(self, paths: Paths, person: AsksPerson, log: CallLog) -> None:
        self._paths, self._person, self._log = paths, person, log
        self._chosen = chosen_approvals(paths)
        self._session: set[str] = set()

    def refusal(self, tool: ToolFunction, name: str, arguments: dict[str, Any]) -> str | None:
        """Return why a call is not run, for the tier; None if it is. May ask the person."""
        approval = self._chosen.get(name, default_approval(tool.risk))
        if approval == "never":
            return f"{name} is not allowed here"
        is_known = approval == "always" or name in self._session
        if tool.risk == "none" and is_known:
            return None
        shown = _shown(tool, arguments)
        answers: tuple[Answer, ...] = ("once", "session", "always")
        if tool.risk == "anything":
            answers, is_known = ("once",), False
        if is_known and self._person.allows(name, shown, ()) is not None:
            return None
        answer = self._person.allows(name, shown, answers)
        if answer is None:
            return f"{name} is not run: no person is at a terminal who could allow it"
        if answer == "no":
            return f"the person did not allow this call of {name}"
        if answer == "session" or approval == "session":
            self._session.add(name)
        if answer == "always":
            choose_approval(self._paths, name, "always")
            self._chosen = {**self._chosen, name: "always"}
        return None

    def record(self, run: ToolRun) -> None:
        """Write a call into the log."""
        self._log.add(run)


def _shown(tool: ToolFunction, arguments: Mapping[str, Any]) -> str:
    if tool.preview is not None:
        return tool.preview(**arguments)
    return "\n".join(f"{name}: {value}" for name, value in arguments.items())


def chosen_approvals(paths: Paths) -> dict[str, Approval]:
    """Return what was chosen for tools; a file that cannot be read allows nothing more."""
    try:
        return msgspec.json.decode(paths.approvals_file.read_bytes(), type=dict[str, Approval])
    except (OSError, ValueError):
        return {}


def choose_approval(paths: Paths, name: str, approval: Approval) -> None:
    """Remember what holds for a tool; raises UnsafePath where that cannot be."""
    with changing_for_user(paths.approvals_file):
        choices = {**chosen_approvals(paths), name: approval}
        replace_file(paths.approvals_file, msgspec.json.format(msgspec.json.encode(choices)))


def check_approval(name: str, approval: str, risk: Risk) -> Approval:
    """Return an approval that a tool may have; raises UsageError."""
    found = next((known for known in APPROVALS if known == approval), None)
    if found is None:
        raise UsageError(f"{approval!r} is no approval", f"known: {', '.join(APPROVALS)}")
    if risk == "anything" and found not in ("ask", "never"):
        raise UsageError(
            f"{name} can do anything: each call is shown and asked for", f"{name} ask, {name} never"
        )
    return found
