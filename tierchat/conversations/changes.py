"""The changes that people make to saved conversations.

Values only; does not know how they are carried out.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tierchat.types import Frozen


class LogChange(Frozen, frozen=True):
    """One change to the log; `id` is a conversation for remove and rename, else an exchange."""

    what: Literal["remove", "rename", "hide", "good", "bad", "unmark"]
    id: Annotated[str, msgspec.Meta(max_length=64)]
    text: Annotated[str, msgspec.Meta(max_length=1000)] = ""
