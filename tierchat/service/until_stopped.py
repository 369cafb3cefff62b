"""Answers end when the daemon's time is over.

Does not know what an event means, or why the daemon stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from tierchat.errors import EngineCrashed
from tierchat.events import CascadeEvent
from tierchat.service.protocols import Answerer
from tierchat.types import Prompt


class UntilStopped:
    """Passes on the events of another answerer until `stop`. One event loop owns it."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._is_stopped = asyncio.Event()

    def stop(self) -> None:
        """End every answer under way; each raises EngineCrashed, because it is incomplete."""
        self._is_stopped.set()

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt; raises EngineCrashed after `stop`."""
        events = self._answerer.answer(prompt)
        stopped = asyncio.ensure_future(self._is_stopped.wait())
        arrival: asyncio.Future[CascadeEvent] | None = None
        try:
            while True:
                arrival = asyncio.ensure_future(anext(events))
                await asyncio.wait((arrival, stopped), return_when=asyncio.FIRST_COMPLETED)
                if not arrival.done():
                    raise EngineCrashed(
                        "the daemon is stopping; the answer is incomplete", "ask again"
                    )
                yield arrival.result()
        except StopAsyncIteration:
            return
        finally:
            waits: list[asyncio.Future[Any]] = [stopped, arrival] if arrival else [stopped]
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            await events.aclose()
