"""The chat's conversation in the log: marked, named, opened, exported.

Does not know how prompts are asked; the daemon writes the log, this asks it to.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Protocol

import msgspec

from tierchat.cli.chat import settings
from tierchat.cli.chat.session import ChatSession
from tierchat.config.home import Home
from tierchat.conversations import past as conversations
from tierchat.conversations.changes import LogChange
from tierchat.conversations.listing import SavedConversations, write_export
from tierchat.conversations.reader import open_log
from tierchat.conversations.store import title_of
from tierchat.errors import UsageError
from tierchat.outcomes import Visit
from tierchat.terminal.output import Output


class ChangesLog(Protocol):
    """The part of the client that changes saved conversations."""

    def change_log(self, change: LogChange) -> int: ...


class SavedChat:
    """The commands about the conversation as a whole, and the changes to its entry in the log."""

    def __init__(
        self, session: ChatSession, home: Home, client: ChangesLog, output: Output
    ) -> None:
        self._session, self._home = session, home
        self._client, self._output = client, output
        self._log = SavedConversations(home.paths)

    def newest_ids(self) -> list[str]:
        """Return the ids of the newest conversations, for completion."""
        return [row.id for row in self._log.newest(20)]

    def visits(self, exchange: str) -> tuple[Visit, ...]:
        """Read which tiers a saved exchange visited; empty where nothing is saved of it."""
        with open_log(self._home.paths.log_file) as log:
            return tuple(log.visits(exchange)) if log else ()

    def hide(self, exchange: str) -> None:
        """Hide an exchange that was taken back, if this chat is saved."""
        if self._session.is_saved:
            self._change("hide", exchange)

    def hide_if_there(self, exchange: str) -> None:
        """Hide an exchange that is of no use, as far as anything of it was saved."""
        with contextlib.suppress(UsageError):
            self.hide(exchange)

    def mark(self, mark: str) -> None:
        """Mark the last answer as good or bad; raises UsageError in a chat that is not saved."""
        self._require_saved("a mark is kept in the log, and this chat is not saved")
        self._change(mark, self._session.last_asked().exchange)
        self._session.mark_last(is_bad=mark == "bad")
        floor = self._session.floor if mark == "bad" else None
        next_ = f"; what follows on this topic begins at {floor}" if floor else ""
        self._output.say(f"marked as {mark}{next_}")

    def begin(self) -> None:
        """Begin another conversation."""
        self._session.begin()
        self._output.say("a new conversation")

    def show_list(self) -> None:
        """List the newest saved conversations."""
        self._output.say(*self._log.overview(20, is_json=False))

    def load(self, id: str) -> None:
        """Continue a saved conversation, with its cascade; raises UsageError for an unknown id."""
        past = conversations.find(self._home.paths, False, id)
        session, catalogue = self._session, self._home.catalogue
        if past.cascade in catalogue.cascades and past.cascade != session.cascade:
            settings.cascade(session, catalogue, past.cascade)
        session.go_on_with(past)
        self._output.say(*self._log.show(past.id, with_hidden=False, is_json=False))

    def rename(self, title: str) -> None:
        """Give the conversation a title; raises UsageError before the first prompt."""
        self._require_saved("this chat is not saved")
        self._session.last_asked()
        self._change("rename", self._session.conversation, title)
        self._output.say(f"saved as: {title_of(title)}")

    def export(self, file: str) -> None:
        """Write the conversation to a file, as JSON where its name ends so, else as Markdown."""
        self._require_saved("this chat is not saved")
        self._session.last_asked()
        text = self._log.export(self._session.conversation, is_json=file.endswith(".json"))
        write_export(Path(file), text)
        self._output.say(f"wrote {file}")

    def _require_saved(self, message: str) -> None:
        if not self._session.is_saved:
            raise UsageError(message, "begin another chat without --no-log")

    def _change(self, what: str, id: str, text: str = "") -> None:
        change = msgspec.convert({"what": what, "id": id, "text": text}, LogChange)
        if not self._client.change_log(change):
            raise UsageError("this conversation was removed meanwhile", "/new begins another")
