"""When the last prompt was answered, and a call when one comes.

Does not know why anybody wants to know.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable

from tierchat.events import CascadeEvent
from tierchat.service.protocols import Answerer
from tierchat.types import Prompt


class Activity:
    """Passes on the events of another answerer. One event loop owns it."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._num_active = 0
        self._last_s = time.monotonic()
        # Called before a prompt is passed on; must not take long.
        self.on_prompt: Callable[[], None] = lambda: None

    @property
    def idle_s(self) -> float:
        """For how many seconds nothing was asked; 0 while a prompt is answered."""
        return 0.0 if self._num_active else time.monotonic() - self._last_s

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt."""
        self._num_active += 1
        self.on_prompt()
        try:
            async with contextlib.aclosing(self._answerer.answer(prompt)) as events:
                async for event in events:
                    yield event
        finally:
            self._num_active -= 1
            self._last_s = time.monotonic()
