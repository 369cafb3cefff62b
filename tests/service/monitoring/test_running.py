"""Prompts under way as the status tells of them: tiers, hops, counted tokens, no word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tierchat.events import AnswerDelta, CascadeEvent, Hop, Starting, Working
from tierchat.outcomes import Visit
from tierchat.service.messages import DaemonStatus, RunningPrompt, TierCounts
from tierchat.service.monitoring.metrics import Metrics
from tierchat.service.monitoring.running import RunningPrompts, without_clients
from tierchat.types import Message, Prompt, TierOptions

EVENTS: tuple[CascadeEvent, ...] = (
    Starting(tier="XS", expected_s=1.0),
    Working(tier="XS", computed=9, total=9, generated=7, seconds=0.5),
    Hop(visit=Visit(tier="XS", model="xs", reason="hard"), target="S"),
    Working(tier="S", computed=9, total=9, generated=4, seconds=0.2),
    AnswerDelta(text="4", tier="S"),
)


class Script:
    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        assert prompt.options.progress, "without signs of life nobody knows the tier"
        for event in EVENTS:
            yield event


def seen(*, progress: bool) -> tuple[list[CascadeEvent], RunningPrompt]:
    """Return what a client gets, and how its prompt is told of in the middle of the answer."""
    running = RunningPrompts()
    options = TierOptions(progress=progress)
    prompt = Prompt(messages=(Message(role="user", content="a secret"),), options=options)

    async def main() -> tuple[list[CascadeEvent], RunningPrompt]:
        got = []
        async for event in running.watched(Script(), prompt, "pid 7"):
            got.append(event)
            (now,) = running.now("pocket")
        assert running.now("pocket") == ()
        return got, now

    return asyncio.run(main())


def test_a_prompt_is_told_of_with_its_client_tier_hops_and_tokens_but_not_its_words() -> None:
    _, now = seen(progress=False)
    assert (now.client, now.cascade, now.tier, now.num_hops) == ("pid 7", "pocket", "S", 1)
    assert (now.num_tokens, now.writing_s) == (4, 0.2)
    assert "secret" not in repr(now)


def test_signs_of_life_reach_only_those_who_asked_for_them() -> None:
    assert seen(progress=True)[0] == list(EVENTS)
    assert seen(progress=False)[0] == [EVENTS[2], EVENTS[4]]


def test_a_prompt_that_is_cancelled_is_told_of_no_more() -> None:
    running = RunningPrompts()

    async def main() -> None:
        prompt = Prompt(messages=(Message(role="user", content="x"),))
        events = running.watched(Script(), prompt, "pid 7")
        await anext(events)
        assert len(running.now("")) == 1
        await events.aclose()
        assert running.now("") == ()

    asyncio.run(main())


def test_whoever_asks_from_elsewhere_is_not_told_of_clients() -> None:
    status = DaemonStatus(
        pid=1,
        version="1",
        uptime_s=1,
        socket="",
        cascades={},
        workers=(),
        prompts=(RunningPrompt(client="pid 7", cascade="pocket", num_tokens=3),),
    )
    (run,) = without_clients(status).prompts
    assert (run.client, run.num_tokens) == ("", 3)


def test_counts_by_tier_add_up_answers_and_the_prompts_that_left() -> None:
    metrics = Metrics()
    metrics.prompts["pocket", "S", "stop"] = 2
    metrics.prompts["pocket", "S", "length"] = 1
    metrics.prompts["pocket", "", "unanswered"] = 1
    metrics.escalations["pocket", "XS", "S"] = 2
    metrics.escalations["pocket", "XS", "M"] = 1
    metrics.tokens["pocket", "S", "written"] = 40
    assert metrics.by_tier() == (
        TierCounts(cascade="pocket", tier="S", num_answered=3, num_written=40),
        TierCounts(cascade="pocket", tier="XS", num_escalated=3),
    )
