"""Continues a saved conversation or begins one: the messages to send, and the ids to save under.

Does not know terminals or the daemon.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tierchat.conversations.last_answer import LastAnswer, last_answer
from tierchat.conversations.rows import ExchangeRow
from tierchat.errors import UsageError
from tierchat.paths import Paths
from tierchat.types import Message, SaveOptions

_NUM_ID_BYTES = 6


@dataclass(frozen=True)
class Past:
    """The conversation so far; empty for a new one."""

    id: str | None = None
    cascade: str | None = None
    system: str = ""
    exchanges: tuple[ExchangeRow, ...] = ()
    last: LastAnswer = field(default_factory=LastAnswer)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation as messages for a model."""
        if not self.exchanges:
            return ()
        from tierchat.conversations.reader import messages_of

        return tuple(messages_of(self.exchanges))

    def ask(self, text: str, system: str) -> tuple[Message, ...]:
        """Return the messages with a question at the end, and `system` at the beginning."""
        first = (Message(role="system", content=system),) if system else ()
        return (*first, *self.messages, Message(role="user", content=text))


def new_id() -> str:
    """Make an id for a conversation or an exchange."""
    return os.urandom(_NUM_ID_BYTES).hex()


def save_in(conversation: str | None, template: str = "") -> SaveOptions:
    """Return options that save an exchange, in a new conversation unless one is given."""
    return SaveOptions(conversation=conversation or new_id(), exchange=new_id(), template=template)


def find(paths: Paths, is_last: bool, wanted: str | None) -> Past:
    """Load the conversation to continue; raises UsageError when it does not exist."""
    if not is_last and not wanted:
        return Past()
    from tierchat.conversations.reader import open_log

    with open_log(paths.log_file) as log:
        found = None if log is None else log.find(wanted) if wanted else log.last()
        if log is None or found is None:
            raise UsageError("there is no conversation to continue", "begin one without -c")
        rows = log.conversations(1, ids=[found])
        exchanges = log.exchanges(found)
        cascade = rows[0].cascade if rows else None
        last = last_answer(cascade, log.exchanges(found, is_whole=True))
    return Past(
        id=found,
        cascade=cascade,
        system=exchanges[-1].system if exchanges else "",
        exchanges=tuple(exchanges),
        last=last,
    )
