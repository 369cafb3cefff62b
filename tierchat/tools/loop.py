"""The way from a question to an answer with tools: calls are run and their results go back.

Asks whom it is given, as any client does; does not know terminals, files or how a tier is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

import msgspec

from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Notice,
    ThoughtDelta,
    ToolCallDelta,
    ToolRan,
)
from tierchat.outcomes import Outcome
from tierchat.tool_calls import ToolCall, ToolRun, ToolUse
from tierchat.tools.bill import added_up
from tierchat.tools.toolbox import Toolbox
from tierchat.types import Message, Prompt, TierOptions

# So many calls in a row that fail are a reason to go up.
_MAX_FAILED = 2
# What is written like a call, and how such a text begins; it is not shown before it is whole.
_WRITTEN_CALL = re.compile(r'"name"\s*:\s*"([^"]{1,128})"\s*,\s*"(?:arguments|parameters)"')
_CALL_BEGINS = ("{", "[", "`")
_BREAK = "\n"
# So often a tool may say the same before that leads nowhere.
_MAX_SAME = 3


class Asks(Protocol):
    """Whoever answers prompts: the daemon of this machine, or a tierchat elsewhere."""

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]: ...


class ToolLoop:
    """Answers prompts with tools: asks, runs the calls, asks again, until there is an answer.

    `tiers` are those of the cascade, cheapest first, as far as they are known. Where the answer
    does not grow before somebody's eyes (`is_held`), text before a call is told as a thought.
    `said` are the messages between the last question and its answer.
    """

    def __init__(
        self, asks: Asks, toolbox: Toolbox, tiers: Sequence[str] = (), *, is_held: bool = False
    ) -> None:
        self._asks, self._toolbox = asks, toolbox
        self._tiers = tuple(tiers)
        self._is_held = is_held
        self.said: tuple[Message, ...] = ()

    def ask(self, prompt: Prompt) -> Generator[CascadeEvent, None, None]:
        """Yield the events of one prompt, `Done` last, with the cost of all turns.

        Raises whatever the client raises.
        """
        self.said = ()
        outcomes: list[Outcome] = []
        runs: list[ToolRun] = []
        use, options, why_last = self._toolbox.use(), prompt.options, ""
        while True:
            messages = (*prompt.messages, *self.said)
            if why_last:
                messages = _with_findings(prompt.messages, runs)
            turn = msgspec.structs.replace(prompt, messages=messages, tools=use, options=options)
            text, calls, outcome = yield from self._turn(turn)
            outcomes.append(outcome)
            if why_last or not (calls or (runs and self._is_written_call(text))):
                break
            if not calls:
                why_last = "a call was written as text; the question is asked without tools"
                use = ToolUse()
                yield Notice(text=why_last)
                continue
            done = yield from self._run(calls, outcome.tier or "", runs)
            runs += done
            if reason := self._why_last(runs):
                why_last = f"{reason}; the answer is given without another"
                use = ToolUse()
                yield Notice(text=why_last)
            self.said += (
                Message(role="assistant", content=text, tool_calls=calls),
                *_results(calls, done),
            )
            options = _going_on(self._options_after(options, runs))
        total = added_up(outcomes, runs)
        if why_last:
            total = msgspec.structs.replace(total, notices=(why_last, *total.notices))
        yield Done(outcome=total)

    def _turn(
        self, prompt: Prompt
    ) -> Generator[CascadeEvent, None, tuple[str, tuple[ToolCall, ...], Outcome]]:
        """Ask once; returns the text, the calls and the outcome."""
        pieces: list[str] = []
        calls: list[ToolCall] = []
        num_shown = 0
        for event in self._asks.ask(prompt):
            match event:
                case AnswerDelta(text=text):
                    pieces.append(text)
                    is_held = self._is_held or "".join(pieces).lstrip().startswith(_CALL_BEGINS)
                    if not is_held:
                        num_shown += len(text)
                        yield event
                case ToolCallDelta():
                    _collect(calls, event)
                case Done(outcome=outcome):
                    text = "".join(pieces)
                    if rest := text[num_shown:]:
                        is_answer = not calls and not self._is_written_call(text)
                        yield _held(rest, outcome, is_answer=is_answer)
                    return text, tuple(calls), outcome
                case _:
                    yield event
        raise AssertionError("a client that raises nothing ends with Done")

    def _is_written_call(self, text: str) -> bool:
        """Whether a text is a call that was not written as one: small models do that after some."""
        found = _WRITTEN_CALL.search(text)
        return found is not None and found[1] in self._toolbox.names

    def _run(
        self, calls: Sequence[ToolCall], tier: str, before: Sequence[ToolRun]
    ) -> Generator[CascadeEvent, None, list[ToolRun]]:
        found: list[ToolRun] = []
        for call in calls:
            known = [*before, *found]
            if len(known) >= self._toolbox.limits.max_calls:
                run = _not_run(call, tier, "error: no more calls are run for this answer")
            elif same := [run for run in known if _is_same(run, call)]:
                # What changes something must not be done twice because a model repeats itself.
                run = _not_run(call, tier, same[0].result, is_failed=same[0].is_failed)
            else:
                run = self._toolbox.run(call, tier)
            found.append(run)
            yield ToolRan(run=run)
        return found

    def _why_last(self, runs: Sequence[ToolRun]) -> str:
        """Say why the next turn must be the answer; empty while more calls may be made."""
        limit = self._toolbox.limits.max_calls
        if len(runs) >= limit:
            return f"{limit} calls of tools were made"
        *before, last = runs
        if any((run.tool, run.arguments) == (last.tool, last.arguments) for run in before):
            return f"{last.tool} was called twice with the same arguments"
        if (
            not last.is_failed
            and sum((run.tool, run.result) == (last.tool, last.result) for run in runs) >= _MAX_SAME
        ):
            return f"{last.tool} has found the same {_MAX_SAME} times"
        return ""

    def _options_after(self, options: TierOptions, runs: Sequence[ToolRun]) -> TierOptions:
        """Let a higher tier go on after calls of one that failed, unless one was chosen."""
        last, tier = runs[-_MAX_FAILED:], runs[-1].tier
        has_failed = len(last) == _MAX_FAILED and all(r.is_failed and r.tier == tier for r in last)
        is_bound = options.tier or options.no_escalate
        if not has_failed or is_bound or tier not in self._tiers[:-1]:
            return options
        above = self._tiers[self._tiers.index(tier) + 1]
        if tier.casefold() == (options.max_tier or "").casefold():
            return options
        return msgspec.structs.replace(options, min_tier=above)


def _results(calls: Sequence[ToolCall], runs: Sequence[ToolRun]) -> list[Message]:
    return [
        Message(role="tool", content=run.result, tool_call_id=call.id)
        for call, run in zip(calls, runs, strict=True)
    ]


def _is_same(run: ToolRun, call: ToolCall) -> bool:
    return (run.tool, run.arguments) == (call.name, call.arguments)


def _with_findings(messages: Sequence[Message], runs: Sequence[ToolRun]) -> tuple[Message, ...]:
    """Put what the tools have found behind the question.

    A small model that has made calls goes on with them, whatever it is told; one that reads the
    same as a text answers.
    """
    found = {(run.tool, run.arguments): run.result for run in runs}
    lines = [
        f"{tool} {arguments}:{_BREAK if _BREAK in result else ' '}{result}"
        for (tool, arguments), result in found.items()
    ]
    at = max(index for index, message in enumerate(messages) if message.role == "user")
    text = "\n".join((messages[at].content, "", "What tools have found for this:", *lines))
    asked = msgspec.structs.replace(messages[at], content=text)
    return (*messages[:at], asked, *messages[at + 1 :])


def _not_run(call: ToolCall, tier: str, text: str, *, is_failed: bool = True) -> ToolRun:
    return ToolRun(
        tool=call.name, arguments=call.arguments, result=text, tier=tier, is_failed=is_failed
    )


def _collect(calls: list[ToolCall], event: ToolCallDelta) -> None:
    """Put a piece of a call to the others; its id and name come with the first one."""
    if event.index == len(calls):
        calls.append(ToolCall(id=event.id, name=event.name, arguments=event.arguments))
    else:
        known = calls[event.index]
        calls[event.index] = msgspec.structs.replace(
            known, arguments=known.arguments + event.arguments
        )


def _held(text: str, outcome: Outcome, *, is_answer: bool) -> CascadeEvent:
    if is_answer:
        return AnswerDelta(text=text, model=outcome.model, tier=outcome.tier or "")
    return ThoughtDelta(tier=outcome.tier or "", text=text if text.endswith("\n") else f"{text}\n")


def _going_on(options: TierOptions) -> TierOptions:
    """Return the options of a turn behind the first: it belongs to the same saved exchange."""
    save = options.save and msgspec.structs.replace(options.save, goes_on=True)
    return msgspec.structs.replace(options, save=save)
