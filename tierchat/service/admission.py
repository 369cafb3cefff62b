"""Who may start now, who waits, who is sent away: fair between clients, first come first served
within one.

Does not know HTTP or what is run. One event loop owns it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tierchat.errors import Overloaded, Timeout

_RETRY_AFTER_S = 2
_LEAST_S = 0.01


class Admission:
    """At most `max_active` run and `max_waiting` wait; the rest get Overloaded at once."""

    def __init__(self, max_active: int, max_waiting: int) -> None:
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._is_closed = False
        self.num_active = 0

    @property
    def num_waiting(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    @asynccontextmanager
    async def turn(
        self, client: str, timeout_s: float | None = None
    ) -> AsyncIterator[float | None]:
        """Hold a place while the body runs, and tell it how much of `timeout_s` is left.

        Waits for a place; raises Overloaded if too many do, Timeout if it takes too long.
        """
        left_s = await self._enter_within(client, timeout_s)
        try:
            yield left_s
        finally:
            self.num_active -= 1
            self._let_in()

    def close(self) -> None:
        """Send away everybody who waits or comes from now on."""
        self._is_closed = True
        for queue in self._waiting.values():
            for place in queue:
                if not place.done():
                    place.set_exception(self._stopping())
        self._waiting.clear()

    async def _enter_within(self, client: str, timeout_s: float | None) -> float | None:
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                await self._enter(client)
        except TimeoutError as error:
            raise Timeout(
                f"no turn within {timeout_s:g} s: {self.num_active} prompts are running",
                "give it more with --timeout",
            ) from error
        waited_s = round(time.monotonic() - began_s, 2)
        return timeout_s and max(_LEAST_S, timeout_s - waited_s)

    async def _enter(self, client: str) -> None:
        if self._is_closed:
            raise self._stopping()
        if self.num_active < self._max_active and not self._waiting:
            self.num_active += 1
            return
        if self.num_waiting >= self._max_waiting:
            raise Overloaded(
                f"{self.num_active} prompts are running and {self.num_waiting} are waiting",
                "try again soon",
                retry_after_s=_RETRY_AFTER_S,
            )
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            self._leave(client, place)
            raise

    def _leave(self, client: str, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            # The place was given in the same moment: hand it on.
            self.num_active -= 1
            self._let_in()
            return
        queue = self._waiting.get(client)
        if queue and place in queue:
            queue.remove(place)
            if not queue:
                del self._waiting[client]

    def _let_in(self) -> None:
        while self._waiting and self.num_active < self._max_active:
            # The client at the front gives one place and goes to the back of the row.
            client, queue = self._waiting.popitem(last=False)
            place = queue.popleft()
            if queue:
                self._waiting[client] = queue
            if not place.done():
                self.num_active += 1
                place.set_result(None)

    def _stopping(self) -> Overloaded:
        return Overloaded("the daemon is stopping", "try again: a new one is started")
