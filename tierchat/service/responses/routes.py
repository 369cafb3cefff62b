"""What the routes of OpenAI's Responses do: read a request, find or forget an earlier response.

Does not know HTTP or how prompts are answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tierchat.errors import InvalidRequest
from tierchat.service.answers import Asked
from tierchat.service.protocols import ModelKeeper
from tierchat.service.replies import Ask
from tierchat.service.responses.memory import Responses
from tierchat.service.responses.responses_format import read_response_request
from tierchat.service.responses.responses_reply import ResponseForm
from tierchat.types import Message


class ResponseRoutes:
    """Handlers for one home. Where conversations are not saved, responses are not remembered."""

    def __init__(self, keeper: ModelKeeper) -> None:
        self._keeper = keeper
        self._responses = Responses()

    def ask(self, body: bytes, client: str) -> Ask:
        """Read a request for POST /v1/responses; raises InvalidRequest naming the field."""
        found = read_response_request(body, self._before)
        is_kept = found.sent.store and self._keeper.keeps_conversations
        form = ResponseForm(found, self._responses.add if is_kept else None)
        asked = Asked([found.prompt], found.sent.user or client, found.notices)
        return Ask(asked, form, found.sent.stream)

    def find(self, id_: str) -> dict[str, Any]:
        """Answer GET /v1/responses/ID."""
        return self._responses.response(id_)

    def forget(self, id_: str) -> dict[str, Any]:
        """Answer DELETE /v1/responses/ID."""
        self._responses.remove(id_)
        return {"id": id_, "object": "response", "deleted": True}

    def _before(self, id_: str) -> Sequence[Message]:
        if not self._keeper.keeps_conversations:
            raise InvalidRequest(
                "previous_response_id: responses are not remembered, since the setting `log` is "
                "false",
                "send the whole conversation as input, or set log = true in config.toml",
                param="previous_response_id",
            )
        return self._responses.messages(id_)
