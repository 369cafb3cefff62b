"""Finds out how a chat template takes tools, calls and results, by trying.

Does not know conversations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import msgspec

from tierchat.engine.jinja_sandbox import TemplateRefusal
from tierchat.engine.template_tools.values import PROBED, PROBED_ID, ToolWay
from tierchat.engine.template_way import Said, View, Way
from tierchat.engine.turns import Turn
from tierchat.errors import TemplateError
from tierchat.tool_calls import ToolCall
from tierchat.types import Message, Role

# Digits stay what they are in capitals, in JSON and in HTML.
_ASKED, _ARGUMENT, _OTHER, _RESULT, _ABOUT = (f"70214{n}6398{n}1" for n in range(5))
_NO_ROLE = "r70214"
# The field of a turn with calls in which some templates look for the results.
_RESULTS_IN_CALLS = "tool_responses"
_TOOL = msgspec.structs.replace(PROBED, description=_ABOUT)


def find_tool_way(way: Way, source: str) -> ToolWay | None:
    """Return how a template takes calls; None if it leaves out tools or results."""
    has_short_ids = "length != 9" in source
    for has_objects in (True, False):
        for is_single in (False, True):
            found = ToolWay(has_objects, is_single, has_short_ids)
            if _takes(way, found):
                return _with_results_in_calls(way, found, source)
    found = ToolWay(has_short_ids=has_short_ids, writes_calls=False)
    return found if _takes(way, found) else None


def _with_results_in_calls(way: Way, found: ToolWay, source: str) -> ToolWay:
    """Put results where the template looks for them, if it knows no turns of tools.

    Such a template writes a turn of any role, whatever its name.
    """
    if _RESULTS_IN_CALLS not in source or found.is_single:
        return found
    try:
        as_turn, as_other = (_run(way, found, [_ARGUMENT], role) for role in ("tool", _NO_ROLE))
    except (TemplateRefusal, TemplateError):
        return found
    if as_other.replace(_NO_ROLE, "tool") != as_turn:
        return found
    other = replace(found, has_results_in_calls=True)
    return other if _takes(way, other) else found


def _takes(way: Way, tool_way: ToolWay) -> bool:
    text = ""
    marks = [_ASKED, _RESULT, _ABOUT, *([_ARGUMENT, _OTHER] if tool_way.writes_calls else [])]
    try:
        if tool_way.is_single:
            text = _run(way, tool_way, [_ARGUMENT]) + _run(way, tool_way, [_OTHER])
        else:
            text = _run(way, tool_way, [_ARGUMENT, _OTHER])
    except (TemplateRefusal, TemplateError):
        return False
    # A dictionary that is printed as Python does it, or a text that is quoted once more.
    is_strange = f"'{_ARGUMENT}'" in text or f'\\"{_ARGUMENT}' in text
    return not is_strange and all(mark in text for mark in marks)


def _run(way: Way, tool_way: ToolWay, arguments: list[str], role: str = "tool") -> str:
    calls = tuple(
        ToolCall(
            id=f"{PROBED_ID[:-1]}{index}", name=_TOOL.name, arguments=json.dumps({"mark": mark})
        )
        for index, mark in enumerate(arguments)
    )
    turns = [
        Message(role="user", content=_ASKED),
        Message(role="assistant", content="", tool_calls=calls)
        if tool_way.writes_calls
        else Message(role="assistant", content="calls"),
        *(Message(role=cast(Role, role), content=_RESULT, tool_call_id=call.id) for call in calls),
    ]
    return way.run(Said(turns, (_TOOL,), None, tool_way), View())


def marked(turn: Turn, marks: Sequence[str]) -> Message:
    """Make a turn of marks; those of calls stand in their arguments, as their text may go."""
    if turn.role == "calls":
        call = ToolCall(id=PROBED_ID, name=PROBED.name, arguments=json.dumps({"mark": marks[0]}))
        return Message(role="assistant", content="", tool_calls=(call,))
    id_ = PROBED_ID if turn.role == "tool" else ""
    return Message(role=turn.role, content=" ".join(marks), tool_call_id=id_)
