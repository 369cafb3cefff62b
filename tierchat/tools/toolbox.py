"""The registry of tools: what a tier may call, and how a call is run within bounds.

Does not know models, terminals or where calls come from. An error of a tool is a result like any
other: the tier reads what went wrong.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tierchat.errors import TierchatError, UsageError, did_you_mean
from tierchat.tool_calls import Tool, ToolCall, ToolRun, ToolUse
from tierchat.tools.failure import ToolFailed
from tierchat.tools.limits import ToolLimits
from tierchat.tools.schema import Signature
from tierchat.tools.spotlight import spotlit

Risk = Literal["none", "changes", "anything"]


@dataclass(frozen=True)
class ToolFunction:
    """A function that may be called.

    What comes from outside (`is_foreign`), such as the text of a file, is marked as data for the
    tier. `bounds_itself`: it keeps to a time of its own, and may need the main thread. `risk` says
    what a call may do: nothing, change something, or anything. `preview` shows in words what a call
    would do, for those who allow it.
    """

    function: Callable[..., str]
    signature: Signature
    is_foreign: bool = False
    bounds_itself: bool = False
    risk: Risk = "none"
    preview: Callable[..., str] | None = None

    @property
    def tool(self) -> Tool:
        """How a request describes it."""
        return self.signature.tool()


class AllowsCalls(Protocol):
    """Who decides whether a call may be run, and remembers each call."""

    def refusal(self, tool: ToolFunction, name: str, arguments: dict[str, Any]) -> str | None:
        """Return why a call is not run; None if it is."""

    def record(self, run: ToolRun) -> None:
        """Take note of a call that was run or refused."""


class Toolbox:
    """The tools of one answer or chat. Used by one thread at a time."""

    def __init__(self, limits: ToolLimits | None = None, allows: AllowsCalls | None = None) -> None:
        self.limits = limits or ToolLimits()
        self._allows = allows
        self._tools: dict[str, ToolFunction] = {}

    def add(
        self,
        function: Callable[..., str],
        name: str = "",
        *,
        is_foreign: bool = False,
        bounds_itself: bool = False,
        risk: Risk = "none",
        preview: Callable[..., str] | None = None,
    ) -> None:
        """Let a function be called; its signature and docstring describe it.

        Raises UsageError for a name that is taken, or a function that cannot be a tool.
        """
        name = name or function.__name__
        if name in self._tools:
            raise UsageError(f"there are two tools named {name}", "give one of them another name")
        signature = Signature(function, name)
        self._tools[name] = ToolFunction(
            function, signature, is_foreign, bounds_itself, risk, preview
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def use(self) -> ToolUse:
        """Return what a request says about these tools."""
        return ToolUse(tools=tuple(tool.tool for tool in self._tools.values()))

    def run(self, call: ToolCall, tier: str = "") -> ToolRun:
        """Run one call to its end, or to its bound; never raises for what a tool does."""
        began_s = time.monotonic()
        is_failed = False
        try:
            text = self._result(call)
        except ToolFailed as error:
            text, is_failed = f"error: {error.message}", True
        run = ToolRun(
            tool=call.name,
            arguments=call.arguments,
            result=text,
            tier=tier,
            is_failed=is_failed,
            seconds=time.monotonic() - began_s,
        )
        if self._allows:
            self._allows.record(run)
        return run

    def _result(self, call: ToolCall) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            hint = did_you_mean(call.name, self._tools, f"the tools: {', '.join(self._tools)}")
            raise ToolFailed(f"there is no tool named {call.name[:80]!r}; {hint}")
        arguments = tool.signature.arguments(call.arguments)
        if self._allows is None and tool.risk != "none":
            raise ToolFailed(f"{call.name} is not run: nobody is there who could allow it")
        if self._allows and (why := self._allows.refusal(tool, call.name, arguments)):
            raise ToolFailed(why)
        text = self.limits.cut(self._bounded(tool, call.name, arguments))
        return spotlit(call.name, text) if tool.is_foreign else text

    def _bounded(self, tool: ToolFunction, name: str, arguments: dict[str, Any]) -> str:
        if tool.bounds_itself:
            return _told(name, lambda: tool.function(**arguments))
        # A thread cannot be ended: a function that goes on after its time is left alone.
        found: queue.SimpleQueue[str | ToolFailed] = queue.SimpleQueue()

        def work() -> None:
            try:
                found.put(_told(name, lambda: tool.function(**arguments)))
            except ToolFailed as error:
                found.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            result = found.get(timeout=self.limits.timeout_s)
        except queue.Empty:
            raise ToolFailed(f"{name} took longer than {self.limits.timeout_s:g} s") from None
        if isinstance(result, ToolFailed):
            raise result
        return result


def _told(name: str, work: Callable[[], str]) -> str:
    try:
        return str(work())
    except ToolFailed:
        raise
    except TierchatError as error:
        raise ToolFailed(error.message) from error
    except Exception as error:
        raise ToolFailed(f"{name} failed: {type(error).__name__}: {error}") from error
