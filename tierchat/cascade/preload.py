"""Loads a bigger model while a smaller one still reads, where it is likely to be asked next.

Does not know prompts: the odds are how often the smaller one sent prompts up of late.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Protocol

from tierchat.errors import TierchatError

# Above this share of escalations the wait for a model costs more than a load that was not needed.
LIKELY = 0.3
_WEIGHT_OF_LAST = 0.1
_FIRST_GUESS = 0.5
_log = logging.getLogger(__name__)


class Loader(Protocol):
    """What preloading needs of the pool."""

    def is_loaded(self, model: str) -> bool: ...
    async def load_ahead(self, model: str) -> None: ...


class Preloader:
    """One event loop owns it."""

    def __init__(self, models: Loader) -> None:
        self._models = models
        self._odds: dict[str, float] = defaultdict(lambda: _FIRST_GUESS)
        self._tasks: set[asyncio.Task[None]] = set()

    def record(self, model: str, has_escalated: bool) -> None:
        """Learn how a visit ended: a moving average over about the last ten."""
        self._odds[model] += _WEIGHT_OF_LAST * (float(has_escalated) - self._odds[model])

    def prepare(self, model: str, above: str) -> None:
        """Begin to load `above` beside the work of `model`, if it is likely to be needed."""
        if model == above or self._odds[model] < LIKELY or self._models.is_loaded(above):
            return
        task = asyncio.create_task(self._load(above))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is being loaded."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _load(self, model: str) -> None:
        try:
            await self._models.load_ahead(model)
        except TierchatError as error:
            # A prompt that really gets there meets the same, and is told.
            _log.info("not loaded ahead: %s", error.message)
