"""One answer on its way to one client, whole or streamed.

Does not know routes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tierchat.errors import EngineCrashed, TierchatError
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    PromptScored,
    ThoughtDelta,
    ToolCallDelta,
)
from tierchat.service.answers import Asked, ChoiceEvent
from tierchat.service.http.event_stream import EventStream, until_gone
from tierchat.service.http.json_replies import header_text, json_response
from tierchat.service.http.limits import Limits
from tierchat.service.openai_format import TIER_HEADER
from tierchat.service.openai_replies import error_body

# With these an answer has begun, so that its status is known.
ChoiceEvents = AsyncGenerator[ChoiceEvent, None]
_BEGINNINGS = (AnswerDelta, ToolCallDelta, ThoughtDelta, PromptScored, Done)


class Form(Protocol):
    """How an API writes the answers to one request."""

    def see(self, found: ChoiceEvent) -> None:
        """Take note of an event as soon as it is known."""
        ...

    def lines(self, found: ChoiceEvent) -> list[bytes]:
        """Write the lines of a stream for one event, which was seen before."""
        ...

    def end(self) -> list[bytes]:
        """Write the lines that end a stream."""
        ...

    def error(self, error: TierchatError) -> bytes:
        """Write the line of an error in a stream that has begun."""
        ...

    def whole(self) -> Any:
        """Write all answers in one piece, once every event was seen."""
        ...


@dataclass(frozen=True)
class Ask:
    """What one request asks for, in whatever API, and how the answers are written.

    `passing` passes the events on to the form, and may do something with them.
    """

    asked: Asked
    form: Form
    is_stream: bool
    passing: Callable[[ChoiceEvents], ChoiceEvents] | None = None


class Reply:
    """The answers to one request on their way; either `whole` or `stream` is called, once.

    The request asks for `num_choices` answers, and `form` writes them. `report_bug` logs the
    exception being handled and returns the error that the client sees; `refusal` writes one that
    comes before any answer.
    """

    def __init__(
        self,
        events: ChoiceEvents,
        form: Form,
        limits: Limits,
        report_bug: Callable[[], TierchatError],
        num_choices: int = 1,
        refusal: Callable[[TierchatError], Any] = error_body,
    ) -> None:
        self._events = events
        self._form = form
        self._limits = limits
        self._report_bug = report_bug
        self._num_left = num_choices
        self._refusal = refusal
        # The tier that answers, once it has shown itself.
        self._tier = ""

    async def whole(self, request: Request) -> Response:
        """Answer in one piece; raises ClientDisconnect, with the work cancelled."""
        work = asyncio.create_task(self._outcome())
        gone = asyncio.create_task(until_gone(request.receive))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))
            raise ClientDisconnect
        return work.result()

    async def _outcome(self) -> Response:
        async with contextlib.aclosing(self._events) as events:
            async for found in events:
                if self._is_last(found):
                    response = json_response(self._form.whole())
                    response.headers[TIER_HEADER] = header_text(self._tier)
                    return response
        raise _without_outcome()

    def _is_last(self, found: ChoiceEvent) -> bool:
        self._form.see(found)
        self._tier = _tier_of(found.event) or self._tier
        self._num_left -= isinstance(found.event, Done)
        return self._num_left == 0

    def stream(self, *, is_live: bool = False) -> EventStream:
        """Answer as server-sent events.

        Errors that come before any text have their own status, over several tiers, too: what
        comes before the text waits for it, unless `is_live`.
        """
        lines, form = self._lines(is_live), self._form
        return EventStream(lines, form.error, self._limits, lambda: self._tier, self._refusal)

    async def _lines(self, is_live: bool) -> AsyncGenerator[bytes | TierchatError, None]:
        waiting: list[ChoiceEvent] = []
        try:
            async with contextlib.aclosing(self._events) as events:
                async for found in events:
                    is_last = self._is_last(found)
                    waiting.append(found)
                    is_live = is_live or isinstance(found.event, _BEGINNINGS)
                    while is_live and waiting:
                        for line in self._form.lines(waiting.pop(0)):
                            yield line
                    if is_last:
                        for line in self._form.end():
                            yield line
                        return
            raise _without_outcome()
        except TierchatError as error:
            yield error
        except Exception:
            yield self._report_bug()


def _without_outcome() -> EngineCrashed:
    return EngineCrashed("the answer ended without an outcome")


def _tier_of(event: CascadeEvent) -> str:
    """Return the tier that shows itself in an event, "" if none does."""
    match event:
        case AnswerDelta(tier=tier) | ThoughtDelta(tier=tier) | ToolCallDelta(tier=tier):
            return tier
        case Done(outcome=outcome):
            return outcome.tier or ""
    return ""
