"""What is told of requests over TCP."""

from __future__ import annotations

import asyncio
from typing import Any

from tierchat.service.network.access import Access
from tierchat.service.network.guard import Guard
from tierchat.service.network.order import Served


def test_a_path_cannot_forge_a_line() -> None:
    told: list[Served] = []

    async def send(_message: Any) -> None: ...

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x\n03:00:00 127.0.0.1 GET /healthz 200",
        "raw_path": b"/x%0a03:00:00%20127.0.0.1%20GET%20/healthz%20200",
        "query_string": b"a=b",
        "headers": [(b"host", b"evil.example")],
    }
    asyncio.run(Guard(send, Access(None), told.append)(scope, receive, send))  # type: ignore[arg-type]
    [served] = told
    assert served.status == 403 and served.is_refused
    assert served.path == "/x%0a03:00:00%20127.0.0.1%20GET%20/healthz%20200"
