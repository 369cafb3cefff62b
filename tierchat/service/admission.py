"""Which prompts may start now, which wait and which are refused: fair between clients.

The prompts of one client start in their order; clients that wait take turns. Does not know HTTP
or what is run. One event loop owns it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tierchat.errors import Overloaded, Timeout

_RETRY_AFTER_S = 2
_LEAST_S = 0.01

# Set when its owner may start.
_Ticket = asyncio.Future[None]


class Admission:
    """At most `max_active` prompts run and `max_waiting` wait; the rest get Overloaded at once."""

    def __init__(
        self,
        max_active: int,
        max_waiting: int,
        on_turn: Callable[[float], None] = lambda _waited_s: None,
    ) -> None:
        """`on_turn` hears for how many seconds each prompt has waited."""
        self._on_turn = on_turn
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._waiting: OrderedDict[str, deque[_Ticket]] = OrderedDict()
        self.is_closed = False
        self.num_active = 0

    @property
    def num_waiting(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    @asynccontextmanager
    async def turn(
        self, client: str, timeout_s: float | None = None
    ) -> AsyncIterator[float | None]:
        """Wait for a turn, and hold it while the body runs.

        Yields the seconds that are left of `timeout_s`. Raises Overloaded if too many prompts
        wait, Timeout if no turn comes in time.
        """
        began_s = time.monotonic()
        left_s = await self._enter_within(client, timeout_s)
        self._on_turn(time.monotonic() - began_s)
        try:
            yield left_s
        finally:
            self.num_active -= 1
            self._let_in()

    def close(self) -> None:
        """Refuse every prompt that waits, and every later one, with Overloaded."""
        self.is_closed = True
        for queue in self._waiting.values():
            for ticket in queue:
                if not ticket.done():
                    ticket.set_exception(self._stopping())
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
        if timeout_s is None:
            return None
        # Rounded, because a later message shows the seconds that were left.
        waited_s = round(time.monotonic() - began_s, 2)
        return max(_LEAST_S, timeout_s - waited_s)

    async def _enter(self, client: str) -> None:
        if self.is_closed:
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
        ticket: _Ticket = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            self._leave(client, ticket)
            raise

    def _leave(self, client: str, ticket: _Ticket) -> None:
        if ticket.done() and not ticket.cancelled():
            # The turn, or the refusal of `close`, came in the same moment: hand a turn on.
            if ticket.exception() is None:
                self.num_active -= 1
                self._let_in()
            return
        queue = self._waiting.get(client)
        if queue and ticket in queue:
            queue.remove(ticket)
            if not queue:
                del self._waiting[client]

    def _let_in(self) -> None:
        while self._waiting and self.num_active < self._max_active:
            # One prompt of the client in front starts, and the client goes to the back.
            client, queue = self._waiting.popitem(last=False)
            ticket = queue.popleft()
            if queue:
                self._waiting[client] = queue
            if not ticket.done():
                self.num_active += 1
                ticket.set_result(None)

    def _stopping(self) -> Overloaded:
        return Overloaded("the daemon is stopping", "try again: the next command starts a new one")
