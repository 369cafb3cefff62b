"""Many things done side by side: how many at once, in which order, and how an error ends them."""

from __future__ import annotations

import asyncio

import pytest

from tierchat.errors import ContextTooLong
from tierchat.learning.outcomes.side_by_side import side_by_side


def test_all_are_done_in_order_and_so_many_at_once() -> None:
    begun: list[int] = []
    busy: list[int] = []
    at_once: list[int] = []

    async def do(item: int) -> None:
        begun.append(item)
        busy.append(item)
        at_once.append(len(busy))
        await asyncio.sleep(0)
        busy.remove(item)

    asyncio.run(side_by_side(do, range(10), 3))
    assert begun == list(range(10)) and not busy and max(at_once) == 3


def test_the_first_error_ends_all_and_comes_by_itself() -> None:
    ended: list[int] = []

    async def do(item: int) -> None:
        try:
            await asyncio.sleep(0)
            if item == 1:
                raise ContextTooLong("too long")
            await asyncio.sleep(60)
        finally:
            ended.append(item)

    with pytest.raises(ContextTooLong):
        asyncio.run(side_by_side(do, range(10), 3))
    assert sorted(ended) == [0, 1, 2]
