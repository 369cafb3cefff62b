"""Bigger models loaded ahead where they are likely to be asked, and not otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from tierchat.cascade.preload import LIKELY, Preloader
from tierchat.errors import DoesNotFit


@dataclass
class Scripted:
    """Models of which some are loaded; a load waits until it may end."""

    loaded: set[str] = field(default_factory=set)
    begun: list[str] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    was_cancelled: bool = False

    def is_loaded(self, model: str) -> bool:
        return model in self.loaded

    async def load_ahead(self, model: str) -> None:
        self.begun.append(model)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if self.error:
            raise self.error
        self.loaded.add(model)


def run(use: Callable[[Preloader, Scripted], Awaitable[None]]) -> None:
    async def main() -> None:
        models = Scripted()
        preloader = Preloader(models)
        try:
            await use(preloader, models)
        finally:
            await preloader.close()

    asyncio.run(main())


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_model_without_history_gets_the_next_one_ready() -> None:
    async def use(preloader: Preloader, models: Scripted) -> None:
        preloader.prepare("s", "m")
        assert models.begun == []  # It is not waited for.
        await turn()
        assert models.begun == ["m"]
        models.may_end.set()
        await turn()
        assert models.loaded == {"m"}

    run(use)


def test_a_model_that_is_loaded_or_the_same_is_left_alone() -> None:
    async def use(preloader: Preloader, models: Scripted) -> None:
        models.loaded.add("m")
        preloader.prepare("s", "m")
        preloader.prepare("l", "l")
        await turn()
        assert models.begun == []

    run(use)


def test_a_model_that_answers_gets_nothing_ready_until_it_escalates_again() -> None:
    async def use(preloader: Preloader, models: Scripted) -> None:
        num = 0
        while not num or models.begun:
            models.begun.clear()
            preloader.record("s", False)
            preloader.prepare("s", "m")
            await turn()
            num += 1
        # From 0.5 down to 0.3, a tenth of the way at a time.
        assert num == 5
        # What others do does not matter.
        preloader.prepare("xs", "m")
        await turn()
        assert models.begun == ["m"]
        models.begun.clear()
        preloader.record("s", True)
        preloader.prepare("s", "m")
        await turn()
        assert models.begun == ["m"]

    run(use)


def test_the_odds_are_a_moving_average() -> None:
    preloader = Preloader(Scripted())
    for _ in range(60):
        preloader.record("s", True)
    assert preloader._odds["s"] > 0.99
    odds = preloader._odds["s"]
    preloader.record("s", False)
    assert preloader._odds["s"] == pytest.approx(0.9 * odds)
    for turn_ in range(200):
        preloader.record("s", turn_ % 10 == 0)
    # One prompt in ten asks on: not worth it.
    assert preloader._odds["s"] < LIKELY


def test_a_load_ahead_that_fails_raises_nothing() -> None:
    async def use(preloader: Preloader, models: Scripted) -> None:
        models.error = DoesNotFit("no room")
        models.may_end.set()
        preloader.prepare("s", "m")
        await turn()
        assert models.begun == ["m"] and not models.loaded
        # The next prompt may try again.
        preloader.prepare("s", "m")
        await turn()
        assert models.begun == ["m", "m"]

    run(use)


def test_closing_cancels_loads_under_way() -> None:
    async def use(preloader: Preloader, models: Scripted) -> None:
        preloader.prepare("s", "m")
        await turn()
        await preloader.close()
        assert models.was_cancelled and not models.loaded
        await preloader.close()

    run(use)
