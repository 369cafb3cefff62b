"""The body of a request: JSON, bounded in size and in time.

Does not know HTTP servers or what the body says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from tierchat.errors import TierchatError, WrongType
from tierchat.service.http.json_replies import JSON_TYPE
from tierchat.service.http.limits import Limits

_Read = TypeVar("_Read")
# Reading more than this may take so long that others would notice.
_MAX_AT_ONCE_BYTES = 1 << 16


class TooLarge(TierchatError):
    http_status = 413
    code = "body_too_large"


class TooSlow(TierchatError):
    http_status = 408
    code = "body_too_slow"


async def body_of(content_type: str, parts: AsyncIterator[bytes], limits: Limits) -> bytes:
    """Collect a body; raises WrongType, TooLarge or TooSlow."""
    if content_type.split(";")[0].strip().lower() != JSON_TYPE:
        raise WrongType(
            f"the body is {content_type}, not {JSON_TYPE}",
            f"send the header Content-Type: {JSON_TYPE}",
            param="content-type",
        )
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for part in parts:
                body += part
                if len(body) > limits.max_body_bytes:
                    raise TooLarge(
                        f"the body is larger than {limits.max_body_bytes} bytes", "send less text"
                    )
    except TimeoutError as error:
        raise TooSlow(f"the body did not arrive within {limits.body_s:g} s") from error
    return bytes(body)


async def reading(read: Callable[[], _Read], size: int) -> _Read:
    """Call what reads a body of so many bytes; a large one in a thread, so that nobody waits."""
    return read() if size <= _MAX_AT_ONCE_BYTES else await asyncio.to_thread(read)
