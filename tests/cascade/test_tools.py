"""Calls of tools on their way over scripted tiers: shown, repaired, remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from tests.cascade.test_cascade import CATALOGUE, USAGE, Scripted, Step, answer, finished
from tierchat.cascade.beginning import Beginning
from tierchat.cascade.cascade import Cascade
from tierchat.cascade.tool_tiers import begin_with_tools
from tierchat.errors import BrokenToolCall, EngineCrashed
from tierchat.events import AnswerDelta, CascadeEvent, Done, Notice, ToolCallDelta
from tierchat.gates.order import Earlier
from tierchat.outcomes import Outcome
from tierchat.tool_calls import Tool, ToolCall, ToolUse
from tierchat.types import Message, Prompt, TierOptions
from tierchat.workers.protocol import Called, Delta, Finished

TOOLS = ToolUse(tools=(Tool(name="weather"), Tool(name="time")))
QUESTION = Message(role="user", content="Which coat do I need in Bonn today, given the rain?")
CALL = ToolCall(id="call_1", name="weather", arguments='{"city": "Bonn"}')


def calls(*made: ToolCall, reason: str = "stop") -> list[Step]:
    called = [Called(id=0, index=index, call=call) for index, call in enumerate(made)]
    return [*called, finished(reason)]


def broken() -> Finished:
    return Finished(id=0, reason="broken_call", unfit="no tool", usage=USAGE)


class Nest:
    """A cascade over scripted models that is asked one prompt after the other."""

    def __init__(self, **scripts: list[list[Step]]) -> None:
        self.models = Scripted({"xs": [], "s": [], "m": [], **scripts})
        self._cascade = Cascade(CATALOGUE, self.models, "three")
        self.events: list[CascadeEvent] = []

    async def ask(self, *messages: Message, **options: str) -> Outcome:
        prompt = Prompt(messages=messages, tools=TOOLS, options=TierOptions(**options))  # type: ignore[arg-type]
        self.events = [event async for event in self._cascade.answer(prompt)]
        last = self.events[-1]
        assert isinstance(last, Done)
        return last.outcome


def ask(nest: Nest, **options: str) -> Outcome:
    return asyncio.run(nest.ask(QUESTION, **options))


def of_kind(events: Sequence[CascadeEvent], kind: type) -> list[CascadeEvent]:
    return [event for event in events if isinstance(event, kind)]


def test_an_answer_of_calls_ends_as_calls() -> None:
    long = msgspec.structs.replace(CALL, id="call_2", arguments='{"text": "' + "x" * 3_000 + '"}')
    nest = Nest(m=[[Delta(id=0, answer="I look."), *calls(CALL, long)]])
    outcome = ask(nest, tier="M")
    assert (outcome.answer, outcome.finish_reason) == ("I look.", "tool_calls")
    assert outcome.tool_calls == (CALL, long) and not outcome.notices
    pieces = [event for event in nest.events if isinstance(event, ToolCallDelta)]
    assert [piece.name for piece in pieces if piece.name] == ["weather", "weather"]
    for index, call in enumerate((CALL, long)):
        own = [piece for piece in pieces if piece.index == index]
        assert own[0].id == call.id and own[0].arguments == ""
        assert "".join(piece.arguments for piece in own) == call.arguments
    assert nest.models.orders[0][1].tools == TOOLS


def test_a_broken_call_is_made_once_more_by_a_grammar() -> None:
    nest = Nest(m=[[Delta(id=0, answer="I look."), broken()], calls(CALL)])
    outcome = ask(nest, tier="M")
    assert outcome.tool_calls == (CALL,) and outcome.answer == "I look."
    assert [order.tools.choice for _, order in nest.models.orders] == ["auto", "required"]
    penalties = [order.sampling.repeat_penalty for _, order in nest.models.orders]
    assert penalties == [None, 1.15]
    assert [visit.reason for visit in outcome.path] == ["no tool", "stop"]
    (notice,) = of_kind(nest.events, Notice)
    assert isinstance(notice, Notice) and "once more" in notice.text


def test_a_call_that_is_broken_twice_is_an_error_that_says_why() -> None:
    with pytest.raises(BrokenToolCall, match="no tool") as caught:
        ask(Nest(m=[[broken()], [broken()]]), tier="M")
    assert caught.value.http_status == 502


def test_calls_that_were_shown_stay_where_a_later_one_is_broken() -> None:
    nest = Nest(m=[[Called(id=0, index=0, call=CALL), broken()]])
    outcome = ask(nest, tier="M")
    assert outcome.tool_calls == (CALL,) and outcome.finish_reason == "tool_calls"
    assert "left out" in outcome.notices[0] and len(nest.models.orders) == 1


def test_after_a_call_was_shown_a_crash_is_an_error() -> None:
    nest = Nest(m=[[Called(id=0, index=0, call=CALL), EngineCrashed("dead")]])
    with pytest.raises(EngineCrashed):
        ask(nest, tier="M")


def test_a_call_cut_by_a_limit_ends_as_cut() -> None:
    assert ask(Nest(m=[calls(reason="length")]), tier="M").finish_reason == "length"


def test_a_result_goes_to_the_tier_that_called_the_tool() -> None:
    async def talk() -> Outcome:
        first = await nest.ask(QUESTION, min_tier="S")
        # A client may write the arguments in its own way.
        call = msgspec.structs.replace(first.tool_calls[0], arguments='{"city":"Bonn"}')
        called = Message(role="assistant", content="", tool_calls=(call,))
        result = Message(role="tool", content="rain", tool_call_id=call.id)
        return await nest.ask(QUESTION, called, result)

    nest = Nest(xs=[answer("xs")], s=[calls(CALL), answer("A raincoat.")])
    second = asyncio.run(talk())
    assert second.answer == "A raincoat." and second.tier == "S"
    assert second.began == "began at S: it answered before"
    stages = [order.gate.earlier.stage for _, order in nest.models.orders]
    assert stages == ["question", "result"]
    assert of_kind(nest.events, AnswerDelta)


def test_a_prompt_with_tools_begins_at_a_tier_that_knows_them() -> None:
    tiers = ("XS", "S", "M")
    asked = Beginning(earlier=Earlier(stage="question"))
    raised = begin_with_tools(asked, tiers, (False, True, True))
    assert (raised.floor, raised.why) == ("S", "XS knows no tools")
    assert begin_with_tools(asked, tiers, (False, False, True)).why == "XS and S know no tools"
    # Nothing changes where all know them or none does, below a higher floor, or without tools.
    for knows in ((True, True, True), (False, False, False)):
        assert begin_with_tools(asked, tiers, knows) == asked
    high = Beginning(floor="M", earlier=Earlier(stage="result"))
    found = begin_with_tools(high, tiers, (False, True, True))
    assert (found.floor, found.why, found.least) == ("M", "", "S")
    assert begin_with_tools(Beginning(), tiers, (False, True, True)) == Beginning()
