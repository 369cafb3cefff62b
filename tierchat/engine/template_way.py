"""How one chat template is called: the values that it gets for a conversation.

Does not know tokens, nor which way suits a template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tierchat.engine.jinja_sandbox import MAX_RENDERED_CHARS, Program
from tierchat.engine.template_tools.values import Hide, ToolWay, names_of, tool_values, with_results
from tierchat.tool_calls import Tool
from tierchat.types import Message

# Switches of some families; llama.cpp sets them so, too. What a conversation holds is read.
_KEEPS_THOUGHTS = {
    "preserve_thinking": True,
    "clear_thinking": False,
    "truncate_history_thinking": False,
    "drop_thinking": False,
}


@dataclass(frozen=True)
class TemplateHost:
    """What a template may ask of its model and of the clock.

    `special` has the texts of `bos_token`, `eos_token` and so on; `thought_marks` open and close
    a thought.
    """

    special: Mapping[str, str]
    thought_marks: tuple[str, str] | None = None
    now: Callable[[], datetime] = datetime.now


@dataclass(frozen=True)
class Said:
    """A conversation for a template to write; `tools` may be called in its next turn."""

    turns: Sequence[Message]
    tools: Sequence[Tool] = ()
    think: bool | None = None
    tool_way: ToolWay = field(default_factory=ToolWay)


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class View:
    """What a template sees of texts from outside; `said` is for what the assistant said before.

    Unless all of the tools `is_readable`, their keywords are.
    """

    text: Hide = _as_it_is
    said: Hide = _as_it_is
    is_readable: bool = True


@dataclass(frozen=True)
class Way:
    """How a template is called: with texts or lists of parts, and told that there are no tools."""

    program: Program
    host: TemplateHost
    takes_parts: bool = False
    has_no_tools: bool = True

    def run(self, said: Said, view: View) -> str:
        """Render; raises TemplateRefusal if the template fails, TemplateError beyond a limit."""
        now = self.host.now()
        values: dict[str, Any] = {
            **self.host.special,
            "messages": self._messages(said, view),
            "add_generation_prompt": True,
            # What llama.cpp gives under these names.
            "date_string": now.strftime("%d %b %Y"),
            "datetime": now.strftime("%b %d %Y"),
            **_KEEPS_THOUGHTS,
        }
        if self.has_no_tools:
            values |= {"tools": None, "documents": None}
        if said.tools:
            tools = tool_values(said.tools, view.text, is_readable=view.is_readable)
            # SmolLM3's own template has another name for them.
            values |= {"tools": tools, "xml_tools": tools}
        if said.think is not None:
            values["enable_thinking"] = said.think
        return self.program.run(values, MAX_RENDERED_CHARS + 2 * _size(said))

    def _messages(self, said: Said, view: View) -> list[dict[str, Any]]:
        way, names = said.tool_way, names_of(said.turns)
        if not way.has_results_in_calls:
            return [self._message(turn, way, view, names) for turn in said.turns]
        found = []
        for turn, results in with_results(said.turns):
            value = self._message(turn, way, view, names)
            if results:
                value["tool_responses"] = [way.result(each, view.text, names) for each in results]
            found.append(value)
        return found

    def _message(
        self, message: Message, way: ToolWay, view: View, names: dict[str, str]
    ) -> dict[str, Any]:
        hide = view.said if message.role == "assistant" else view.text
        return {
            "role": message.role,
            "content": self._typed(hide(message.content)),
            **way.fields(message, view.text, names),
        }

    def _typed(self, text: str) -> str | list[dict[str, str]]:
        return [{"type": "text", "text": text}] if self.takes_parts else text


def _size(said: Said) -> int:
    texts = sum(len(turn.content) for turn in said.turns)
    calls = sum(len(call.arguments) for turn in said.turns for call in turn.tool_calls)
    return texts + calls + sum(len(tool.parameters) + len(tool.description) for tool in said.tools)
