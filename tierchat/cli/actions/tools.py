"""The tools of this home: listed, allowed, and the log of their calls. Does not know typer."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tierchat.paths import Paths
from tierchat.terminal.table import table
from tierchat.tools import python as interpreter
from tierchat.tools.approvals import (
    check_approval,
    choose_approval,
    chosen_approvals,
    default_approval,
)
from tierchat.tools.builtin import FILE_TOOLS, risk_of
from tierchat.tools.call_log import logged_calls

_MAX_SHOWN = 60


class ListedTool(msgspec.Struct, frozen=True):
    """One line of the list: what is typed after -T, and the tool that a tier then calls."""

    option: str
    tool: str
    approval: str
    is_installed: bool = True


def listed(paths: Paths, *, is_json: bool) -> Iterator[str]:
    """Return the tools as lines."""
    chosen = chosen_approvals(paths)
    names = [("calc", "calc"), ("clock", "clock"), ("python", "python")]
    names += [("files", tool) for tool in FILE_TOOLS]
    names += [("edit", "edit_file"), ("shell", "shell")]
    found = [
        ListedTool(
            option,
            tool,
            chosen.get(tool, default_approval(risk_of(tool))),
            tool != "python" or interpreter.is_installed(),
        )
        for option, tool in names
    ]
    if is_json:
        yield from (msgspec.json.encode(each).decode() for each in found)
        return
    yield from table(
        [
            ("-T", "tool", "calls are"),
            *((each.option, each.tool, _said(each)) for each in found),
        ]
    )


def _said(tool: ListedTool) -> str:
    if not tool.is_installed:
        return 'not installed: pip install "tierchat[tools]"'
    words = {"ask": "asked for", "session": "asked for once", "always": "run", "never": "refused"}
    return words[tool.approval]


def allow(paths: Paths, name: str, how: str) -> str:
    """Choose what holds for a tool; returns what to say. Raises UsageError."""
    approval = check_approval(name, how, risk_of(name))
    choose_approval(paths, name, approval)
    return f"{name}: {approval}"


def logged(paths: Paths, num: int, *, is_json: bool) -> Iterator[str]:
    """Return the last calls as lines, the newest last."""
    for call in list(logged_calls(paths))[-num:]:
        if is_json:
            yield msgspec.json.encode(call).decode()
            continue
        what = " ".join(f"{call.arguments or ''} → {call.result or ''}".split())[:_MAX_SHOWN]
        state = "failed" if call.is_failed else "run"
        yield f"{call.at}  {call.tool}  {state}  {what if call.arguments else ''}".rstrip()
