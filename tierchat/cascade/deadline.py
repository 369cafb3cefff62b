"""The time limit of one prompt.

Does not know tiers or what an event means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from tierchat.errors import Timeout
from tierchat.events import CascadeEvent


async def until(
    events: AsyncIterator[CascadeEvent], timeout_s: float | None
) -> AsyncIterator[CascadeEvent]:
    """Pass events on; raises Timeout after `timeout_s` seconds. None sets no limit."""
    if timeout_s is None:
        async for event in events:
            yield event
        return
    ends_s = time.monotonic() + timeout_s
    while True:
        # Not asyncio.wait_for: until Python 3.12 it drops a cancellation that comes together with
        # an event, and the prompt would go on for a client that has left.
        try:
            async with asyncio.timeout(ends_s - time.monotonic()):
                event = await anext(events)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Timeout(
                f"no complete answer within {timeout_s:g} s", "give it more with --timeout"
            ) from error
        yield event
