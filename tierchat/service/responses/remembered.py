"""The responses that later requests may go on from: kept in the log, found and removed there.

Does not know requests, or SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from tierchat.conversations.saved_response import SavedResponse
from tierchat.conversations.store import LogStore
from tierchat.errors import InvalidRequest, TierchatError
from tierchat.types import Message

_Found = TypeVar("_Found")


class UnknownResponse(TierchatError):
    """No response of that name is remembered."""

    http_status = 404
    code = "response_not_found"


class PreviousUnknown(InvalidRequest):
    """The response that a request goes on from is not remembered."""

    http_status = 404
    code = "previous_response_not_found"


class Log(Protocol):
    """Lets work be done with the log, on the log's own thread."""

    async def run(self, work: Callable[[LogStore], _Found]) -> _Found: ...


class Responses:
    """The responses in one log. All methods raise LogUnusable."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def add(self, messages: Sequence[Message], response: dict[str, Any]) -> None:
        """Save a response, and the messages up to and with its own; it is on disk afterwards."""
        written = msgspec.json.encode(response).decode()
        saved = SavedResponse(id=response["id"], messages=tuple(messages), response=written)
        await self._log.run(lambda store: store.keep_response(saved))

    async def messages(self, id_: str) -> tuple[Message, ...]:
        """Return the messages up to a response; raises PreviousUnknown."""
        found = await self._log.run(lambda store: store.response(id_))
        if found is None:
            raise PreviousUnknown(
                f"previous_response_id = {id_[:80]!r}: no such response is remembered",
                "send the whole conversation as input; the last 1,000 responses are remembered "
                "whose request did not say store = false",
                param="previous_response_id",
            )
        return found.messages

    async def response(self, id_: str) -> dict[str, Any]:
        """Return a response; raises UnknownResponse."""
        found = await self._log.run(lambda store: store.response(id_))
        if found is None:
            raise _unknown(id_)
        response: dict[str, Any] = msgspec.json.decode(found.response)
        return response

    async def remove(self, id_: str) -> None:
        """Remove a response; raises UnknownResponse."""
        if not await self._log.run(lambda store: store.remove_response(id_)):
            raise _unknown(id_)


def _unknown(id_: str) -> UnknownResponse:
    return UnknownResponse(f"no response named {id_[:80]!r} is remembered")
