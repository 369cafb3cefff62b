"""A call as it was read from an answer, before anything is checked.

Does not know tools or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class BrokenCall(Exception):
    """What an answer calls cannot be read, or fits no tool; `reason` says why, for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class WrittenCall:
    """The name and the arguments, an object in most cases.

    With `is_text`, each argument is text, whose type only the schema tells.
    """

    name: str
    arguments: Any
    is_text: bool = False
