"""Many like things done side by side, a few at once.

Does not know what is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")


async def side_by_side(
    do: Callable[[_Item], Awaitable[None]], items: Iterable[_Item], num_at_once: int
) -> None:
    """Do something with every item, in order, `num_at_once` at a time.

    The first error ends all and is raised by itself, not in a group as asyncio.TaskGroup has it.
    """
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:
            await do(item)

    tasks = [asyncio.create_task(take()) for _ in range(num_at_once)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
