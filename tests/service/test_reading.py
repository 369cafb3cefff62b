"""Bodies of requests: large ones are read where nobody waits for them."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tierchat.errors import InvalidRequest
from tierchat.service.openai_format import read_request
from tierchat.service.requests.body import reading


def test_others_go_on_while_a_large_body_is_read() -> None:
    body = b'{"messages":[{"role":"user","content":"x"}],"a":[%b0]}' % (b'{"b":0},' * 200_000)
    num_turns = 0

    async def others() -> None:
        nonlocal num_turns
        while True:
            await asyncio.sleep(0.001)
            num_turns += 1

    async def ask() -> None:
        task = asyncio.create_task(others())
        found = await reading(lambda: read_request(body), len(body))
        assert found.prompt.question == "x"
        task.cancel()
        assert await reading(threading.get_ident, 100) == threading.get_ident()

    asyncio.run(ask())
    assert num_turns > 2


def test_a_body_of_escapes_is_mended_quickly() -> None:
    body = b'{"a":"' + b"\\n" * 1_000_000 + b'\xff"}'
    began_s = time.process_time()
    with pytest.raises(InvalidRequest):
        read_request(body)
    assert time.process_time() - began_s < 1.5
