"""Answers end when the daemon's time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tierchat.errors import ContextTooLong, EngineCrashed
from tierchat.events import AnswerDelta, CascadeEvent
from tierchat.service.until_stopped import UntilStopped
from tierchat.types import Message, Prompt

PROMPT = Prompt(messages=(Message(role="user", content="x"),))
A = AnswerDelta(text="a")


class Scripted:
    """Says "a", waits `wait_s`, then ends or raises."""

    def __init__(self, wait_s: float = 0.0, error: Exception | None = None) -> None:
        self._wait_s, self._error = wait_s, error
        self.is_closed = False

    async def answer(self, _prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        try:
            yield A
            await asyncio.sleep(self._wait_s)
            if self._error:
                raise self._error
        finally:
            self.is_closed = True


def test_events_and_errors_pass_while_there_is_time() -> None:
    async def main() -> None:
        until = UntilStopped(Scripted())
        assert [event async for event in until.answer(PROMPT)] == [A]
        events = UntilStopped(Scripted(error=ContextTooLong("too long"))).answer(PROMPT)
        assert await anext(events) == A
        with pytest.raises(ContextTooLong):
            await anext(events)

    asyncio.run(main())


def test_a_stop_ends_the_answer_under_way_as_incomplete() -> None:
    async def main() -> None:
        scripted = Scripted(wait_s=60)
        until = UntilStopped(scripted)
        events = until.answer(PROMPT)
        assert await anext(events) == A
        asyncio.get_running_loop().call_soon(until.stop)
        with pytest.raises(EngineCrashed, match="incomplete"):
            await anext(events)
        assert scripted.is_closed

    asyncio.run(main())


def test_an_answer_that_is_read_on_after_a_stop_is_incomplete() -> None:
    async def main() -> None:
        scripted = Scripted(wait_s=60)
        until = UntilStopped(scripted)
        events = until.answer(PROMPT)
        assert await anext(events) == A
        until.stop()
        with pytest.raises(EngineCrashed, match="incomplete"):
            await anext(events)
        assert scripted.is_closed

    asyncio.run(main())


def test_a_timeout_of_the_answer_itself_passes_as_it_is() -> None:
    async def main() -> None:
        events = UntilStopped(Scripted(error=TimeoutError("a socket"))).answer(PROMPT)
        assert await anext(events) == A
        with pytest.raises(TimeoutError, match="a socket"):
            await anext(events)

    asyncio.run(main())


def test_leaving_early_closes_the_answer() -> None:
    async def main() -> None:
        scripted = Scripted(wait_s=60)
        events = UntilStopped(scripted).answer(PROMPT)
        await anext(events)
        await events.aclose()
        assert scripted.is_closed

    asyncio.run(main())
