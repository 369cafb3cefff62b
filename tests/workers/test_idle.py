"""Timers of idle models, on a real event loop with short times."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tierchat.workers.idle import IdleTimers

LONG_S = 60.0


def run(use: Callable[[IdleTimers, list[str]], Awaitable[None]]) -> list[str]:
    """Use timers whose unloading is written down; returns what was unloaded."""
    unloaded: list[str] = []

    async def main() -> None:
        async def unload(model: str) -> bool:
            timers.cancel(model)
            await asyncio.sleep(0)
            unloaded.append(model)
            return True

        timers = IdleTimers(unload)
        await use(timers, unloaded)
        await timers.close()

    asyncio.run(main())
    return unloaded


async def until_unloaded(unloaded: list[str]) -> None:
    while not unloaded:
        await asyncio.sleep(0.001)


def test_a_model_goes_when_its_time_is_over_and_the_others_stay() -> None:
    async def use(timers: IdleTimers, unloaded: list[str]) -> None:
        timers.start("xs", 0)
        timers.start("s", LONG_S)
        await until_unloaded(unloaded)
        assert timers.remaining_s("xs") is None
        remaining = timers.remaining_s("s")
        assert remaining is not None and LONG_S - 5 < remaining <= LONG_S

    assert run(use) == ["xs"]


def test_a_negative_time_is_for_ever_and_takes_back_an_earlier_one() -> None:
    async def use(timers: IdleTimers, _unloaded: list[str]) -> None:
        timers.start("xs", 0)
        timers.start("xs", -1)
        assert timers.remaining_s("xs") is None
        await asyncio.sleep(0.01)

    assert run(use) == []


def test_a_cancelled_timer_unloads_nothing() -> None:
    async def use(timers: IdleTimers, _unloaded: list[str]) -> None:
        timers.start("xs", 0)
        timers.cancel("xs")
        await asyncio.sleep(0.01)

    assert run(use) == []


def test_closing_waits_for_what_is_being_unloaded_and_begins_no_other() -> None:
    async def use(timers: IdleTimers, _unloaded: list[str]) -> None:
        timers.start("xs", 0)
        # The timer fires; its task has not begun yet.
        await asyncio.sleep(0.005)
        await timers.close()
        timers.start("s", 0)
        await asyncio.sleep(0.01)

    assert run(use) == ["xs"]
