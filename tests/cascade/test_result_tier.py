"""After the result of a tool: stay where the conversation is cached, or go where it pays more."""

from __future__ import annotations

import asyncio

import pytest

from tests.cascade.test_cascade import Scripted, answer, finished
from tierchat.cascade.beginning import Beginning
from tierchat.cascade.cascade import Cascade
from tierchat.cascade.result_tier import Guess, begin_after_result, begin_by_worth, num_unread
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.events import Done
from tierchat.gates.order import Earlier, ToolStage
from tierchat.outcomes import Outcome
from tierchat.tool_calls import Tool, ToolCall, ToolUse
from tierchat.types import Message, Prompt, TierOptions
from tierchat.workers.protocol import Called

TIERS = ("S", "M")
SIZES = (630_167_424.0, 1_777_088_000.0)
TOOLS = ToolUse(tools=(Tool(name="read_file", description="The content of a file. " * 20),))
QUESTION = Message(role="user", content="What does a.txt say?")
CALL = ToolCall(id="1", name="read_file", arguments='{"path": "a.txt"}')
CALLED = Message(role="assistant", content="", tool_calls=(CALL,))


def prompt_with(result: str, **options: object) -> Prompt:
    return Prompt(
        messages=(QUESTION, CALLED, Message(role="tool", content=result, tool_call_id="1")),
        tools=TOOLS,
        options=TierOptions(**options),  # type: ignore[arg-type]
    )


def after(called_by: str, stage: ToolStage = "result", **num_read: int) -> Beginning:
    read = num_read or {called_by: 400}
    earlier = Earlier(num_turns=1, answered_by=called_by, num_read=read, stage=stage)
    return Beginning(called_by, "it answered before", earlier=earlier)


def guess(*right: float, weight: float = 0.1) -> Guess:
    return Guess(TIERS, SIZES, right, (30.0, 30.0), 130 * SIZES[-1], weight)


def test_a_tier_reads_what_it_has_not_seen_of_the_conversation() -> None:
    messages = (
        Message(role="system", content="Be brief. " * 99),
        *prompt_with("x" * 1_000).messages,
    )

    def unread(called_by: str, **num_read: int) -> list[float]:
        return num_unread(TIERS, after(called_by, **num_read).earlier, messages)

    new = unread("M", M=400, S=400)[1]
    assert 300 < new < 400 and unread("S", S=30)[0] == new
    # M has read 400 tokens; S, asked some turns before, 250 of them.
    assert unread("M", M=400, S=250) == [new + 150, new]
    # S was not asked: it has the system text and the tools, but not the question and the call.
    missed = unread("M", M=900)[0] - new
    assert 30 < missed < 60


def test_a_short_result_stays_where_the_conversation_is_cached() -> None:
    for tier in TIERS:
        # The other tier was asked once, long ago.
        read = {**dict.fromkeys(TIERS, 30), tier: 2_000}
        began = begin_after_result(after(tier, **read), guess(0.5, 0.5), prompt_with("ok"))
        assert (began.floor, began.why) == (tier, "it answered before")


def test_a_long_result_goes_to_a_cheaper_tier_that_is_as_likely_right() -> None:
    began = begin_after_result(after("M"), guess(0.5, 0.5), prompt_with("x" * 4_000))
    assert began.floor == "S" and began.told(TIERS, "S", TierOptions()) == (
        "began at S: it is worth more than M on this result"
    )
    stays = begin_after_result(after("M"), guess(0.02, 0.98), prompt_with("x" * 400))
    assert stays.floor == "M"


def test_after_a_failure_a_better_tier_goes_on_if_it_is_worth_what_it_reads() -> None:
    def began(stage: ToolStage, num_read: int, weight: float = 0.1) -> str | None:
        found = guess(0.35, 0.5, weight=weight)
        failed = prompt_with("Error: no such file")
        before = after("S", stage, S=num_read, M=200)
        return begin_after_result(before, found, failed).floor

    assert began("failed", 250) == "M"
    # Half a book of context is too dear for one failed call, whatever M would make of it.
    assert began("failed", 50_000) == "S"
    assert began("failed", 50_000, weight=0.0) == "M"


def test_why_a_better_tier_goes_on_is_told() -> None:
    failed = begin_after_result(after("S", "failed"), guess(0.1, 0.9), prompt_with("Error: no"))
    assert (failed.floor, failed.why) == ("M", "the call of S failed")
    assert failed.expected.keys() == {"S", "M"}


@pytest.mark.parametrize("bound", ["least", "kept_floor"])
def test_no_tier_below_what_was_asked_or_that_knows_no_tools(bound: str) -> None:
    before = after("M")
    bounded = Beginning(before.floor, before.why, earlier=before.earlier, **{bound: "M"})  # type: ignore[arg-type]
    assert begin_after_result(bounded, guess(0.5, 0.5), prompt_with("x" * 4_000)).floor == "M"


@pytest.mark.parametrize("options", [{"no_escalate": True}, {"raw": True}])
def test_a_prompt_that_may_not_escalate_is_left_where_it_is(options: dict[str, bool]) -> None:
    prompt = prompt_with("x" * 4_000, **options)
    assert begin_after_result(after("M"), guess(0.5, 0.5), prompt) == after("M")


def test_the_untaught_default_weighs_a_result_by_itself() -> None:
    long, short = (
        begin_by_worth(after("M"), None, TIERS, SIZES, prompt_with(text, quality="frugal"))
        for text in ("x" * 20_000, "ok")
    )
    assert (long.floor, short.floor) == ("S", "M")


def test_an_untaught_cascade_plans_above_and_reads_a_long_result_below() -> None:
    catalogue = Catalogue(
        models={
            name: ModelSpec(file=name, parameters=int(size))
            for name, size in zip(("s", "m"), SIZES, strict=True)
        },
        cascades={
            "two": CascadeSpec(
                tiers=tuple(TierSpec(name=name, model=name.casefold()) for name in TIERS)
            )
        },
    )
    calling = [Called(id=0, index=0, call=CALL), finished()]
    models = Scripted({"s": [answer("It says x.")], "m": [calling]})
    cascade = Cascade(catalogue, models, "two")

    async def ask(prompt: Prompt) -> Outcome:
        events = [event async for event in cascade.answer(prompt)]
        assert isinstance(events[-1], Done)
        return events[-1].outcome

    async def talk() -> tuple[Outcome, Outcome]:
        first = await ask(Prompt(messages=(QUESTION,), tools=TOOLS))
        return first, await ask(prompt_with("x" * 20_000))

    first, second = asyncio.run(talk())
    assert (first.tier, second.tier) == ("M", "S")
    assert second.began == "began at S: it is worth more than M on this result"
