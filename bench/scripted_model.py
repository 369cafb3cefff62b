"""A real daemon whose answers do one thing: mend add() in calc.py by the tools of an agent.

    PYTHONPATH=. python bench/scripted_model.py LOG

A request with a tool that runs commands is answered with a call of it, and its result with a
sentence; a request without tools with the whole file, as aider wants it. LOG gets a line of JSON
for each request: the characters of its messages and tools, and the names of the tools.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from tests.scripted_daemon import Script
from tierchat.cascade.ledger import Ledger
from tierchat.config.settings import Settings, load_settings
from tierchat.events import AnswerDelta, CascadeEvent, Done, ToolCallDelta
from tierchat.outcomes import FinishReason, Usage
from tierchat.paths import Paths, find_paths
from tierchat.service.daemon import run_daemon
from tierchat.service.http.limits import Limits
from tierchat.tool_calls import Tool
from tierchat.types import Prompt

COMMAND = "sed -i 's/return a - b/return a + b/' calc.py"
LISTING = '''calc.py
```
"""Small sums."""


def add(a, b):
    return a + b


def double(number):
    return 2 * number
```
'''
# What agents call the tool that runs a command.
SHELLS = ("bash", "exec_command", "run_shell_command", "shell", "shell_command")
TIER = "XS"


class Agent(Script):
    """Answers every prompt of an agent; writes down how large it was."""

    def __init__(self, log: Path) -> None:
        super().__init__(1, 0, 0)
        self._log = log

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        tools = prompt.tools.tools if prompt.tools else ()
        self._write(prompt, tools)
        shell = next((tool for tool in tools if tool.name.lower() in SHELLS), None)
        if shell and not any(message.role == "tool" for message in prompt.messages):
            yield ToolCallDelta(index=0, tier=TIER, id="call_1", name=shell.name)
            yield ToolCallDelta(index=0, tier=TIER, arguments=json.dumps(arguments(shell)))
            yield self._done("", "tool_calls")
        else:
            said = "add() adds now." if tools else LISTING
            yield AnswerDelta(text=said, model="script", tier=TIER)
            yield self._done(said, "stop")

    def _write(self, prompt: Prompt, tools: tuple[Tool, ...]) -> None:
        chars = sum(len(message.content) for message in prompt.messages)
        chars += sum(len(tool.description) + len(tool.parameters) for tool in tools)
        line = {"chars": chars, "tools": [tool.name for tool in tools]}
        with self._log.open("a") as log:
            print(json.dumps(line), file=log)

    def _done(self, said: str, reason: FinishReason) -> Done:
        ledger = Ledger(lambda _tier: 1.0, TIER)
        usage = Usage(prompt_tokens=3, generated_tokens=5, seconds=0.1)
        ledger.add(TIER, "script", "stop", usage, is_answer=True)
        return Done(outcome=ledger.close(said, "", reason, 0.1))

    def cascades(self) -> dict[str, tuple[str, ...]]:
        return {"coder": (TIER,)}

    @property
    def default(self) -> str:
        return "coder"


def arguments(tool: Tool) -> dict[str, Any]:
    """Return arguments with the command, and something for all else that is required."""
    schema = json.loads(tool.parameters)
    properties = schema["properties"]
    (place,) = {"command", "cmd"} & set(properties)
    filled: dict[str, Any] = {name: _any(properties[name]) for name in schema.get("required", ())}
    is_list = properties[place].get("type") == "array"
    return filled | {place: ["bash", "-c", COMMAND] if is_list else COMMAND}


def _any(schema: dict[str, Any]) -> Any:
    values = {"boolean": False, "integer": 10_000, "number": 10_000}
    return values.get(schema.get("type", "string"), "Mend add()")


def build(_paths: Paths, _settings: Settings) -> Agent:
    return Agent(Path(sys.argv[1]))


if __name__ == "__main__":
    paths = find_paths(os.environ)
    sys.exit(run_daemon(paths, load_settings(paths, os.environ), build, Limits()))
