"""Prompts and HTTP responses on their way past, counted.

Does not know how anything is answered.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from tierchat.errors import TierchatError
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, ToolCallDelta
from tierchat.service.monitoring.metrics import Metrics
from tierchat.service.protocols import Answerer
from tierchat.types import Prompt

# In the scope of a request: the pattern of its route.
ROUTE = "tierchat.route"
_Send = Callable[[Any], Awaitable[None]]


class MeasuredAnswerer:
    """Passes on the events of another answerer. `default` names the cascade of a bare prompt."""

    def __init__(self, answerer: Answerer, metrics: Metrics, default: Callable[[], str]) -> None:
        self._answerer, self._metrics, self._default = answerer, metrics, default

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt."""
        cascade = prompt.options.cascade or self._default()
        began_s, first_s = time.monotonic(), None
        async with contextlib.AsyncExitStack() as stack:
            stack.push(self._count_failure)
            events = await stack.enter_async_context(
                contextlib.aclosing(self._answerer.answer(prompt))
            )
            async for event in events:
                if isinstance(event, AnswerDelta | ToolCallDelta) and first_s is None:
                    first_s = time.monotonic() - began_s
                elif isinstance(event, Hop):
                    self._metrics.escalated(cascade, event.visit, event.target)
                elif isinstance(event, Done):
                    self._metrics.answered(cascade, event.outcome, first_s)
                yield event

    def _count_failure(
        self, _kind: object, error: BaseException | None, _traceback: object
    ) -> None:
        """Count what ended a prompt; a client that leaves is no failure."""
        if isinstance(error, TierchatError):
            self._metrics.failed(error.code)
        elif isinstance(error, Exception):
            self._metrics.failed("bug")


class MeasuredApp:
    """An ASGI application around another one; counts responses by route."""

    def __init__(self, app: Callable[..., Awaitable[None]], metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Any, receive: Any, send: _Send) -> None:
        status = 499

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._metrics.responded(scope.get(ROUTE, "other"), scope["method"], status)
