"""What the routes of OpenAI's Responses do: read a request, find or forget an earlier response.

Does not know HTTP or how prompts are answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any

import msgspec

from tierchat.errors import InvalidRequest, LogUnusable
from tierchat.events import Done
from tierchat.service.answers import Asked, ChoiceEvent
from tierchat.service.protocols import ModelKeeper
from tierchat.service.replies import Ask
from tierchat.service.requests.body import reading
from tierchat.service.responses.remembered import Log, Responses
from tierchat.service.responses.responses_format import previous_response, read_response_request
from tierchat.service.responses.responses_reply import ResponseForm
from tierchat.types import Message


class ResponseRoutes:
    """Handlers for one home. Where conversations are not saved, responses are not remembered."""

    def __init__(self, keeper: ModelKeeper, log: Log) -> None:
        self._keeper = keeper
        self._responses = Responses(log)

    async def before(self, body: bytes) -> Sequence[Message]:
        """Return the messages up to the response that a request goes on from.

        Raises InvalidRequest, PreviousUnknown and LogUnusable.
        """
        id_ = await reading(lambda: previous_response(body), len(body))
        if not id_:
            return ()
        if not self._keeper.keeps_conversations:
            raise InvalidRequest(
                "previous_response_id: responses are not remembered, since the setting `log` is "
                "false",
                "send the whole conversation as input, or set log = true in config.toml",
                param="previous_response_id",
            )
        return await self._responses.messages(id_)

    def ask(self, body: bytes, client: str, earlier: Sequence[Message]) -> Ask:
        """Read a request for POST /v1/responses; raises InvalidRequest naming the field."""
        found = read_response_request(body, earlier)
        form = ResponseForm(found, is_kept=found.sent.store and self._keeper.keeps_conversations)
        asked = Asked([found.prompt], found.sent.user or client, found.notices)
        return Ask(asked, form, found.sent.stream, partial(self._kept, form))

    async def find(self, id_: str) -> dict[str, Any]:
        """Answer GET /v1/responses/ID."""
        return await self._responses.response(id_)

    async def forget(self, id_: str) -> dict[str, Any]:
        """Answer DELETE /v1/responses/ID."""
        await self._responses.remove(id_)
        return {"id": id_, "object": "response", "deleted": True}

    async def _kept(
        self, form: ResponseForm, events: AsyncGenerator[ChoiceEvent, None]
    ) -> AsyncGenerator[ChoiceEvent, None]:
        """Pass on the events of an answer; `Done` comes once the response is on disk."""
        async with contextlib.aclosing(events):
            async for found in events:
                if isinstance(found.event, Done) and form.is_kept:
                    form.see(found)
                    found = await self._keep(form, found.event)
                yield found

    async def _keep(self, form: ResponseForm, done: Done) -> ChoiceEvent:
        """Save a response; where that cannot be, the answer says so."""
        outcome = done.outcome
        try:
            await self._responses.add(form.conversation(), form.whole())
        except LogUnusable as error:
            form.is_kept = False
            told = f"{error.message}; no request can go on from this response"
            outcome = msgspec.structs.replace(outcome, notices=(*outcome.notices, told))
        return ChoiceEvent(0, Done(outcome=outcome))
