"""A response of the endpoint, as the log keeps it for requests that go on from it.

Does not know SQL or how responses are written.
"""

from __future__ import annotations

from tierchat.types import Frozen, Message


class SavedResponse(Frozen, frozen=True):
    """The JSON of a response, and the conversation up to and with its answer."""

    id: str
    messages: tuple[Message, ...]
    response: str
