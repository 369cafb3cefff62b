"""How long idle models stay loaded: a timer for each.

Does not know workers; it calls back when a model's time is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class _Timer:
    handle: asyncio.TimerHandle
    ends_s: float


class IdleTimers:
    """Ends idle models by `unload`, which cancels their timers. One event loop owns it."""

    def __init__(self, unload: Callable[[str], Awaitable[object]]) -> None:
        self._unload = unload
        self._timers: dict[str, _Timer] = {}
        self._unloading: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def start(self, model: str, keepalive_s: float) -> None:
        """Unload a model in `keepalive_s` seconds from now; never if that is negative."""
        self.cancel(model)
        if keepalive_s >= 0 and not self._is_closed:
            loop = asyncio.get_running_loop()
            handle = loop.call_later(keepalive_s, self._time_is_over, model)
            self._timers[model] = _Timer(handle, time.monotonic() + keepalive_s)

    def cancel(self, model: str) -> None:
        """Let a model stay until its timer is started again."""
        if timer := self._timers.pop(model, None):
            timer.handle.cancel()

    def remaining_s(self, model: str) -> float | None:
        """Return how long a model stays from now, None if no end is set."""
        timer = self._timers.get(model)
        return max(0.0, timer.ends_s - time.monotonic()) if timer else None

    async def close(self) -> None:
        """Cancel all timers, and wait for models that are being unloaded."""
        self._is_closed = True
        for model in list(self._timers):
            self.cancel(model)
        await asyncio.gather(*self._unloading)

    def _time_is_over(self, model: str) -> None:
        task = asyncio.create_task(self._unload_one(model))
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)

    async def _unload_one(self, model: str) -> None:
        await self._unload(model)
