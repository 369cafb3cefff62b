"""Loading a bigger model while a smaller one still reads, if the prompt is likely to go up.

Does not know prompts: the odds are the recent share of prompts that the smaller model sent up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Protocol

from tierchat.errors import TierchatError

# From this share of escalations on, waiting for a model costs more than a load in vain.
LIKELY = 0.3
_WEIGHT_OF_LAST = 0.1
_FIRST_GUESS = 0.5
_log = logging.getLogger(__name__)


class Loader(Protocol):
    """What the preloader needs of the pool."""

    def is_loaded(self, model: str) -> bool: ...
    async def load_ahead(self, model: str) -> None: ...


class Preloader:
    """Remembers how often each model escalates, and loads ahead. One event loop owns it."""

    def __init__(self, models: Loader) -> None:
        self._models = models
        self._odds: dict[str, float] = defaultdict(lambda: _FIRST_GUESS)
        self._tasks: set[asyncio.Task[None]] = set()

    def record(self, model: str, has_escalated: bool) -> None:
        """Update the moving average of a model's escalations, over about ten visits."""
        self._odds[model] += _WEIGHT_OF_LAST * (float(has_escalated) - self._odds[model])

    def prepare(self, model: str, above: str) -> None:
        """Start to load `above` while `model` works, if the prompt is likely to escalate."""
        if model == above or self._odds[model] < LIKELY or self._models.is_loaded(above):
            return
        task = asyncio.create_task(self._load(above))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the loads under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _load(self, model: str) -> None:
        try:
            await self._models.load_ahead(model)
        except TierchatError as error:
            # A prompt that needs the model meets the same error and reports it.
            _log.info("not loaded ahead: %s", error.message)
