"""The responses that later requests may go on from, while the daemon runs.

Does not know requests. One event loop owns it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from tierchat.errors import InvalidRequest, TierchatError
from tierchat.types import Message

_MAX_RESPONSES = 1000
_MAX_CHARS = 50_000_000


class UnknownResponse(TierchatError):
    """No response of that name is remembered."""

    http_status = 404
    code = "response_not_found"


class Responses:
    """Remembers conversations by the last response in each; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[tuple[Message, ...], dict[str, Any]]] = OrderedDict()
        self._num_chars = 0

    def add(self, messages: Sequence[Message], response: dict[str, Any]) -> None:
        """Remember a response, and the messages up to its own."""
        self._found[response["id"]] = (tuple(messages), response)
        self._num_chars += _num_chars(messages)
        while len(self._found) > 1 and (
            len(self._found) > _MAX_RESPONSES or self._num_chars > _MAX_CHARS
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
        return self._found[id_][0]

    def response(self, id_: str) -> dict[str, Any]:
        """Return a response; raises UnknownResponse."""
        if id_ not in self._found:
            raise UnknownResponse(f"no response named {id_[:80]!r} is remembered")
        return self._found[id_][1]

    def remove(self, id_: str) -> None:
        """Forget a response; raises UnknownResponse."""
        self.response(id_)
        messages, _ = self._found.pop(id_)
        self._num_chars -= _num_chars(messages)


def _num_chars(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)
