"""Saved conversations as lines, Markdown and JSON.

Does not know typer or streams, and changes no conversation.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tierchat.conversations.reader import LogReader, open_log
from tierchat.conversations.rows import ConversationRow, ExchangeRow
from tierchat.decoding import lines_of
from tierchat.errors import UsageError
from tierchat.paths import Paths
from tierchat.terminal.table import table
from tierchat.terminal.tier_line import ABOUT, DOT
from tierchat.terminal.units import percent, seconds

_STATES = {
    "interrupted": "interrupted; the answer is incomplete",
    "lost": "the daemon ended in the middle; the answer is incomplete",
    "running": "being answered",
    "unanswered": "no tier could answer",
    "failed": "failed",
}


class SavedConversations:
    """The saved conversations of one user, as text."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def overview(self, num: int, *, is_json: bool) -> list[str]:
        """List conversations, newest first."""
        found = self.newest(num)
        if is_json:
            return [msgspec.json.encode(row).decode() for row in found]
        if not found:
            return ["nothing is saved yet"]
        rows: list[tuple[str, ...]] = [("ID", "WHEN", "TURNS", "TITLE")]
        rows += [(r.id, local_time(r.updated_at), str(r.num_exchanges), r.title) for r in found]
        return table(rows)

    def newest(self, num: int) -> list[ConversationRow]:
        """Describe the newest conversations."""
        with open_log(self._paths.log_file) as log:
            return log.conversations(num) if log else []

    def show(self, part: str | None, *, with_hidden: bool, is_json: bool) -> list[str]:
        """Show one conversation."""
        row, exchanges = self.load(part, with_hidden=with_hidden)
        if is_json:
            return [msgspec.json.encode(exchange).decode() for exchange in exchanges]
        lines = [f"{row.title}  ·  {row.id}  ·  {local_time(row.created_at)}"]
        for exchange in exchanges:
            lines += ["", *(f"> {line}" for line in lines_of(exchange.prompt)), ""]
            lines += [exchange.answer.rstrip()] if exchange.answer else []
            lines += [f"[{_describe(exchange)}]"]
        return lines

    def search(self, words: str, num: int, *, is_json: bool) -> list[str]:
        """Find exchanges by their words."""
        with open_log(self._paths.log_file) as log:
            found = log.search(words, num) if log else []
        if is_json:
            return [msgspec.json.encode(exchange).decode() for exchange, _ in found]
        if not found:
            return [f"nothing saved has all of: {words}"]
        lines = []
        for exchange, excerpt in found:
            bare = " ".join(excerpt.replace("\x02", "[").replace("\x03", "]").split())
            when = local_time(exchange.created_at)
            lines.append(f"{exchange.conversation_id}  {when}  {bare}")
        return lines

    def export(self, part: str | None, *, is_json: bool) -> str:
        """Write one conversation as Markdown or JSON."""
        row, exchanges = self.load(part)
        return as_json(row, exchanges) if is_json else as_markdown(row, exchanges)

    def load(
        self, part: str | None, *, with_hidden: bool = False
    ) -> tuple[ConversationRow, list[ExchangeRow]]:
        """Load all of one conversation; raises UsageError when there is none."""
        with self._opened() as log:
            id = log.find(part) if part else log.last()
            if id is None:
                raise UsageError("nothing is saved yet")
            exchanges = log.exchanges(id, is_whole=True, with_hidden=with_hidden)
            return log.conversation(id), exchanges

    @contextlib.contextmanager
    def _opened(self) -> Iterator[LogReader]:
        with open_log(self._paths.log_file) as log:
            if log is None:
                raise UsageError("nothing is saved yet", "`tierchat ask` saves what it is asked")
            yield log


def as_markdown(row: ConversationRow, exchanges: list[ExchangeRow]) -> str:
    """Write a conversation for people to read."""
    parts = [f"# {row.title}\n\n{local_time(row.created_at)}\n"]
    for exchange in exchanges:
        parts.append(f"## {' '.join(exchange.prompt.split())[:80]}\n\n{exchange.prompt}\n")
        parts.append(f"{exchange.answer.rstrip()}\n" if exchange.answer else "")
        parts.append(f"*{_describe(exchange)}*\n")
    return "\n".join(filter(None, parts))


def as_json(row: ConversationRow, exchanges: list[ExchangeRow]) -> str:
    """Write a conversation for programs to read."""
    whole = {"conversation": row, "exchanges": exchanges}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def write_export(file: Path, text: str) -> None:
    """Write an export to a file; raises UsageError when the file cannot be written."""
    try:
        Path(os.path.expanduser(file)).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"cannot write {str(file)!r}: {error}") from error


def local_time(utc: str) -> str:
    """Return a saved time in the local time zone."""
    return datetime.datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M")


def _describe(exchange: ExchangeRow) -> str:
    parts = [ledger_line(exchange)] if exchange.tier else []
    if exchange.state != "done":
        parts.append(exchange.error or _STATES.get(exchange.state, exchange.state))
    if exchange.hidden_by:
        parts.append("undone" if exchange.hidden_by == "undo" else "replaced")
    if exchange.mark:
        parts.append("marked good" if exchange.mark > 0 else "marked bad")
    return " · ".join(parts).replace("\n", " ")


def ledger_line(exchange: ExchangeRow) -> str:
    """Describe which tier answered a saved exchange, and how much compute that saved."""
    if exchange.tier is None:
        return ""
    unit = "token" if exchange.generated_tokens == 1 else "tokens"
    tokens = f"{exchange.generated_tokens} {unit}"
    parts = [exchange.tier, exchange.model or "", tokens, seconds(exchange.seconds)]
    if exchange.top_compute and exchange.tier != exchange.top_tier:
        saved = 1 - exchange.compute / exchange.top_compute
        parts.append(f"{ABOUT} {percent(saved)} less compute than {exchange.top_tier}")
    return f" {DOT} ".join(parts)
