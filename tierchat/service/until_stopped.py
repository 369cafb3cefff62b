"""Answers end when the daemon's time is over.

Does not know what an event means, or why the daemon stops.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from tierchat.errors import EngineCrashed
from tierchat.events import CascadeEvent
from tierchat.service.protocols import Answerer
from tierchat.types import Prompt


class UntilStopped:
    """Passes on the events of another answerer until `stop`. One event loop owns it."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._is_stopped = False
        # One for each answer whose next event is waited for. A task for each event, which could be
        # cancelled as well, took 14 µs longer.
        self._waits: set[asyncio.Timeout] = set()

    def stop(self) -> None:
        """End every answer under way; each raises EngineCrashed, because it is incomplete."""
        self._is_stopped = True
        for wait in self._waits:
            wait.reschedule(0.0)

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt; raises EngineCrashed after `stop`."""
        async with contextlib.aclosing(self._answerer.answer(prompt)) as events:
            while not self._is_stopped:
                wait = asyncio.timeout(None)
                try:
                    async with wait:
                        self._waits.add(wait)
                        event = await anext(events)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    if not wait.expired():
                        raise
                    break
                finally:
                    self._waits.discard(wait)
                yield event
        raise EngineCrashed("the daemon is stopping; the answer is incomplete", "ask again")
