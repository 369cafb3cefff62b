"""The longest time one prompt may take.

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
    """Pass events on; raises Timeout once `timeout_s` seconds are over."""
    if timeout_s is None:
        async for event in events:
            yield event
        return
    ends_s = time.monotonic() + timeout_s
    while True:
        try:
            yield await asyncio.wait_for(anext(events), max(0.0, ends_s - time.monotonic()))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Timeout(
                f"no complete answer within {timeout_s:g} s", "give it more with --timeout"
            ) from error
