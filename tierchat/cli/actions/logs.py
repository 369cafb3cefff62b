"""`tierchat logs rename` and `rm`: changes to saved conversations.

Does not know typer or streams; the daemon writes the log, this asks it to.
"""

from __future__ import annotations

from tierchat.conversations.changes import LogChange
from tierchat.conversations.listing import SavedConversations
from tierchat.conversations.reader import open_log
from tierchat.conversations.rows import ConversationRow
from tierchat.errors import UsageError
from tierchat.paths import Paths
from tierchat.service.client import Client

_MANY = 1_000_000


def rename(paths: Paths, part: str, title: str) -> str:
    """Change the title of the conversation whose id begins with `part`; returns a message."""
    saved = SavedConversations(paths)
    row, _ = saved.load(part)
    Client(paths).change_log(LogChange(what="rename", id=row.id, text=title))
    return f"{row.id} is now called: {saved.load(row.id)[0].title}"


def choose(paths: Paths, parts: list[str], *, is_every: bool) -> list[ConversationRow]:
    """Find the conversations to remove; raises UsageError if there are none."""
    if not parts and not is_every:
        raise UsageError(
            "name the conversations to remove", "`tierchat logs ls` lists them; --all removes all"
        )
    with open_log(paths.log_file) as log:
        ids = [log.find(part) for part in parts] if log else []
        wanted = None if is_every else ids
        found = log.conversations(_MANY, ids=wanted, with_undone=True) if log else []
    if not found:
        raise UsageError("nothing is saved yet")
    return found


def remove(paths: Paths, id: str) -> None:
    """Delete a conversation for good."""
    Client(paths).change_log(LogChange(what="remove", id=id))
