"""The longest time one prompt may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tierchat.cascade.deadline import until
from tierchat.errors import Timeout
from tierchat.events import AnswerDelta, CascadeEvent


@pytest.mark.parametrize("num_turns", range(6))
@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_a_cancellation_in_the_moment_of_an_event_is_not_lost(
    num_turns: int, timeout_s: float | None
) -> None:
    """The cancellation comes `num_turns` turns of the event loop later than the event."""
    arrived = asyncio.Event()

    async def answer() -> AsyncGenerator[CascadeEvent, None]:
        await arrived.wait()
        yield AnswerDelta(text="a")
        await asyncio.sleep(60)

    async def listen() -> None:
        async for _event in until(answer(), timeout_s):
            pass

    async def main() -> None:
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.01)
        arrived.set()
        for _ in range(num_turns):
            await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait((listening,), timeout=2)
        assert listening.cancelled()

    asyncio.run(main())


def test_events_pass_until_the_time_is_over() -> None:
    seen: list[CascadeEvent] = []

    async def answer() -> AsyncGenerator[CascadeEvent, None]:
        yield AnswerDelta(text="a")
        await asyncio.sleep(60)

    async def main() -> None:
        async for event in until(answer(), 0.05):
            seen.append(event)

    with pytest.raises(Timeout, match=r"no complete answer within 0\.05 s"):
        asyncio.run(main())
    assert seen == [AnswerDelta(text="a")]
