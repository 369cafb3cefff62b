"""The tools of a request and the calls of an answer: functions that the client runs itself.

Values only; does not know how any model or protocol writes them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MAX_TOOLS = 256
# The tools of coding agents come to 50,000 characters.
MAX_PARAMETERS_CHARS = 200_000
# `$` alone allows a line break behind the name.
ToolName = Annotated[str, msgspec.Meta(pattern=r"^[\w.:/-]{1,128}$(?!\n)")]
# The reason of a visit that ended in calls, as the ledger has it.
CALLED = "tool_calls"
ToolChoice = Literal["auto", "none", "required"]


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Like `types.py:Frozen`, which messages with calls are made from."""


class Tool(_Value, frozen=True, omit_defaults=True):
    """A function that an answer may ask the client to call.

    `parameters` is the JSON text of the schema of its arguments, an object.
    """

    name: ToolName
    description: str = ""
    parameters: Annotated[str, msgspec.Meta(max_length=MAX_PARAMETERS_CHARS)] = '{"type":"object"}'


class ToolCall(_Value, frozen=True):
    """One call that an answer asks for; `arguments` is the JSON text of an object."""

    id: str
    name: str
    arguments: str


class ToolRun(_Value, frozen=True):
    """One call that was run for an answer, or was not: what was asked for, and what came of it.

    `arguments` is JSON text, `result` what the tier was told. A call `is_failed` if it raised an
    error, ran out of time or was not allowed. `tier` made it.
    """

    tool: str
    arguments: str
    result: str
    tier: str = ""
    is_failed: bool = False
    seconds: float = 0.0


class ToolUse(_Value, frozen=True, omit_defaults=True):
    """What a request says about tools.

    With the choice `required` the answer is calls and nothing else, of the tool `name` if it is
    given. Unless `is_parallel`, it is one call at most.
    """

    tools: Annotated[tuple[Tool, ...], msgspec.Meta(max_length=MAX_TOOLS)] = ()
    choice: ToolChoice = "auto"
    name: str = ""
    is_parallel: bool = True

    @property
    def callable(self) -> tuple[Tool, ...]:
        """The tools that the answer may call."""
        if self.choice == "none":
            return ()
        return tuple(tool for tool in self.tools if self.name in ("", tool.name))

    @property
    def is_required(self) -> bool:
        """Whether the answer must be a call."""
        return self.choice == "required" and bool(self.tools)
