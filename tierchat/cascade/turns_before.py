"""Remembers who answered the turns of conversations, found again by what was said.

Does not know models, time or disks: only hashes are kept, in memory. Any client that sends the
conversation so far is recognised.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tierchat.types import Message

_MAX_KEYS = 30_000
# Shorter answers, such as "Yes." or "4", are given in many conversations.
_MIN_CHARS_ALONE = 40


@dataclass(frozen=True)
class TurnBefore:
    """The last answer of a conversation: which tier gave it, at which estimates of its gate.

    `tier` is empty if that is not known. `floor` is the tier below which the topic is not answered,
    because a person asked for better. `num_read` says how many tokens of the conversation each tier
    has read or written so far.
    """

    tier: str
    floor: str | None = None
    estimates: dict[str, float] = field(default_factory=dict)
    num_read: dict[str, int] = field(default_factory=dict)


class TurnsBefore:
    """The newest answers of all conversations. One event loop owns it."""

    def __init__(self, max_keys: int = _MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._turns: OrderedDict[bytes, TurnBefore] = OrderedDict()

    def add(self, cascade: str, messages: Sequence[Message], turn: TurnBefore) -> None:
        """Remember who gave the last of `messages`, which is an answer."""
        for key in _keys(cascade, messages):
            self._turns[key] = turn
            self._turns.move_to_end(key)
        while len(self._turns) > self._max_keys:
            self._turns.popitem(last=False)

    def find(self, cascade: str, messages: Sequence[Message]) -> TurnBefore | None:
        """Return who gave the last answer in `messages`; None if that is not known.

        A conversation whose beginning was changed or left out is known by its last question and
        answer, or by a long last answer.
        """
        for key in _keys(cascade, messages):
            if key in self._turns:
                self._turns.move_to_end(key)
                return self._turns[key]
        return None


def _keys(cascade: str, messages: Sequence[Message]) -> list[bytes]:
    """Name a conversation up to its last answer in three ways, the strictest first."""
    said = [message for message in messages if message.role != "system"]
    while said and said[-1].role != "assistant":
        said.pop()
    if not said:
        return []
    texts = [f"{message.role} {_plain(message.content)}{_calls(message)}" for message in said]
    keys = [_hash((cascade, "whole", *texts)), _hash((cascade, "pair", *texts[-2:]))]
    if len(texts[-1]) >= _MIN_CHARS_ALONE:
        keys.append(_hash((cascade, "answer", texts[-1])))
    return keys


def _calls(message: Message) -> str:
    """Return the calls of a message, whatever a client does to the JSON of their arguments."""
    return "".join(f" {call.name} {_sorted(call.arguments)}" for call in message.tool_calls)


def _sorted(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return _plain(arguments)


def _plain(text: str) -> str:
    """Return a text as it is whatever a client does to its blanks."""
    return " ".join(text.split())


def _hash(texts: Iterable[str]) -> bytes:
    hashed = hashlib.blake2b(digest_size=16)
    for text in texts:
        hashed.update(f"{len(text)} {text}".encode("utf-8", "surrogatepass"))
    return hashed.digest()
