"""The responses that later requests may go on from, while the daemon runs.

Does not know requests. One event loop owns it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from tierchat.errors import InvalidRequest, TierchatError
from tierchat.types import Message

_MAX_RESPONSES = 1000
_MAX_BYTES = 50_000_000


class UnknownResponse(TierchatError):
    """No response of that name is remembered."""

    http_status = 404
    code = "response_not_found"


class _Kept(msgspec.Struct, frozen=True):
    """A response as JSON, which takes least memory, and the messages up to it."""

    messages: tuple[Message, ...]
    response: bytes
    size_bytes: int


class Responses:
    """Remembers conversations by the last response in each; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, _Kept] = OrderedDict()
        self._num_bytes = 0

    def add(self, messages: Sequence[Message], response: dict[str, Any]) -> None:
        """Remember a response, and the messages up to its own."""
        # A response repeats its instructions, tools and metadata, which may be long.
        written = msgspec.json.encode(response)
        size = len(written) + len(msgspec.json.encode(messages))
        self._found[response["id"]] = _Kept(tuple(messages), written, size)
        self._num_bytes += size
        while len(self._found) > 1 and (
            len(self._found) > _MAX_RESPONSES or self._num_bytes > _MAX_BYTES
        ):
            self.remove(next(iter(self._found)))

    def messages(self, id_: str) -> tuple[Message, ...]:
        """Return the messages up to a response; raises InvalidRequest where it is not known."""
        if id_ not in self._found:
            raise InvalidRequest(
                f"previous_response_id = {id_[:80]!r}: no such response is remembered",
                "send the whole conversation as input; responses are remembered until the daemon "
                "ends, unless their request said store = false",
                param="previous_response_id",
            )
        return self._found[id_].messages

    def response(self, id_: str) -> dict[str, Any]:
        """Return a response; raises UnknownResponse."""
        self._refuse_unknown(id_)
        found: dict[str, Any] = msgspec.json.decode(self._found[id_].response)
        return found

    def remove(self, id_: str) -> None:
        """Forget a response; raises UnknownResponse."""
        self._refuse_unknown(id_)
        self._num_bytes -= self._found.pop(id_).size_bytes

    def _refuse_unknown(self, id_: str) -> None:
        if id_ not in self._found:
            raise UnknownResponse(f"no response named {id_[:80]!r} is remembered")
