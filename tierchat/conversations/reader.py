"""Reads the log for commands, without the daemon; never writes it.

Does not know terminals. Exchanges come in the order in which they were made.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tierchat.conversations import migrations
from tierchat.conversations.rows import ConversationRow, ExchangeRow, HopsRow
from tierchat.errors import LogUnusable, UsageError
from tierchat.outcomes import Visit
from tierchat.types import Message

_MIN_PREFIX = 3
_SUMMARY, _UNDERSTOOD = "Summary of our conversation so far:", "Understood."
_Row = TypeVar("_Row")
# Chinese, Japanese, Thai, Lao, Khmer, Burmese.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
# What is told with an answer and not kept with it.
_NOT_SAVED = ("expected_wait_s",)
_SHOWN = "hidden_by IS NULL"
# Exchanges before the latest summary are left out.
_SINCE_SUMMARY = (
    "seq >= coalesce((SELECT max(seq) FROM exchanges WHERE conversation_id = :id "
    "AND kind = 'summary' AND state = 'done' AND hidden_by IS NULL), 0)"
)


class LogReader:
    """One open log, read only."""

    def __init__(self, path: Path) -> None:
        """Open a log; raises LogUnusable when it cannot be read or a newer tierchat wrote it."""
        try:
            self._db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
            self._db.row_factory = sqlite3.Row
            version = migrations.version_of(self._db)
        except (sqlite3.Error, OSError) as error:
            raise LogUnusable(f"cannot read {path}: {error}", "see `tierchat paths`") from error
        if version > migrations.LATEST:
            self._db.close()
            raise LogUnusable(f"{path} was written by a newer tierchat", "upgrade tierchat")

    def conversations(
        self,
        num: int,
        *,
        ids: Sequence[str] | None = None,
        with_undone: bool = False,
    ) -> list[ConversationRow]:
        """List at most `num` conversations, newest first; only those of `ids` if given.

        Conversations without exchanges that are not undone are listed only `with_undone`.
        """
        where, given = ["1"], list[str]()
        join = "LEFT JOIN" if with_undone else "JOIN"
        if ids is not None:
            where.append(f"c.id IN ({','.join('?' * len(ids))})")
            given += ids
        return self._rows(
            ConversationRow,
            "SELECT c.id, c.title, c.cascade, c.created_at, c.updated_at, "
            "count(e.seq) AS num_exchanges, max(e.seq) AS last_seq FROM conversations c "
            f"{join} exchanges e ON e.conversation_id = c.id AND e.hidden_by IS NULL "
            f"WHERE {' AND '.join(where)} GROUP BY c.id ORDER BY last_seq DESC LIMIT ?",
            (*given, num),
        )

    def conversation(self, id: str) -> ConversationRow:
        """Describe one conversation, even if all its exchanges are undone."""
        [row] = self._rows(
            ConversationRow,
            "SELECT *, (SELECT count(*) FROM exchanges WHERE conversation_id = c.id "
            "AND hidden_by IS NULL) AS num_exchanges FROM conversations c WHERE id = ?",
            (id,),
        )
        return row

    def search(self, words: str, num: int) -> list[tuple[ExchangeRow, str]]:
        """Find exchanges by their words, best first, each with an excerpt around the match.

        In the excerpt, \\x02 and \\x03 enclose the match. Text of scripts without spaces between
        words is searched letter by letter.
        """
        if _UNSPACED.search(words):
            return self._scan(words.split(), num)
        query = (
            "SELECT e.*, snippet(exchanges_text, -1, '\x02', '\x03', '…', 16) AS place "
            "FROM exchanges_text t JOIN exchanges e ON e.seq = t.rowid "
            f"WHERE exchanges_text MATCH ? AND e.{_SHOWN} ORDER BY rank LIMIT ?"
        )
        rows = self._execute(query, (_phrases(words), num))
        return [(_converted(ExchangeRow, row), row["place"]) for row in rows]

    def _scan(self, words: Sequence[str], num: int) -> list[tuple[ExchangeRow, str]]:
        fits = " AND ".join("instr(prompt || char(10) || answer, ?)" for _ in words)
        query = f"SELECT * FROM exchanges WHERE {fits} AND {_SHOWN} ORDER BY seq DESC LIMIT ?"
        matches = []
        for row in self._execute(query, (*words, num)):
            text = f"{row['prompt']}\n{row['answer']}"
            start = text.index(words[0])
            excerpt = f"{text[max(0, start - 30) : start]}\x02{words[0]}\x03"
            excerpt += text[start + len(words[0]) :][:30]
            matches.append((_converted(ExchangeRow, row), excerpt))
        return matches

    def find(self, id_or_part: str) -> str:
        """Complete the id of a conversation; raises UsageError when none or several fit."""
        ids = [
            row["id"]
            for row in self._execute(
                "SELECT id FROM conversations WHERE id = ?1 OR "
                "(length(?1) >= ?2 AND substr(id, 1, length(?1)) = ?1)",
                (id_or_part, _MIN_PREFIX),
            )
        ]
        if id_or_part in ids:
            return id_or_part
        if len(ids) == 1:
            return str(ids[0])
        if len(id_or_part) < _MIN_PREFIX:
            raise UsageError(f"{id_or_part!r} is too short", f"give {_MIN_PREFIX} characters of it")
        what = "several conversations begin" if ids else "no conversation begins"
        raise UsageError(f"{what} with {id_or_part!r}", "`tierchat logs ls` lists them")

    def last(self) -> str | None:
        """Return the id of the conversation with the newest exchange."""
        found = self.conversations(1)
        return found[0].id if found else None

    def exchanges(
        self, conversation: str, *, is_whole: bool = False, with_hidden: bool = False
    ) -> list[ExchangeRow]:
        """List the exchanges of a conversation, from its latest summary on unless `is_whole`."""
        where = ["conversation_id = :id"]
        if not with_hidden:
            where.append(_SHOWN)
        if not is_whole:
            where.append(_SINCE_SUMMARY)
        query = f"SELECT * FROM exchanges WHERE {' AND '.join(where)} ORDER BY seq"
        return self._rows(ExchangeRow, query, {"id": conversation})

    def visits(self, exchange: str) -> list[Visit]:
        """List the visits of an exchange."""
        names = ", ".join(name for name in Visit.__struct_fields__ if name not in _NOT_SAVED)
        query = f"SELECT {names} FROM visits WHERE exchange_id = ? ORDER BY number"
        return [
            msgspec.convert({**row, "estimates": msgspec.json.decode(row["estimates"])}, Visit)
            for row in map(dict, self._execute(query, (exchange,)))
        ]

    def spent(self, days: int | None = None) -> list[HopsRow]:
        """List the cost of every exchange that is over, failed and undone ones included."""
        since = "datetime('now', ?)" if days else "?"
        return self._rows(
            HopsRow,
            "SELECT e.id, e.conversation_id, c.title, date(e.created_at, 'localtime') AS day, "
            "e.template, e.state, e.tier, e.model, e.top_tier, e.generated_tokens, "
            "e.escalation_tokens, e.escalation_seconds, e.seconds, e.compute, e.top_compute, "
            "(SELECT group_concat(v.tier || char(9) || v.reason, char(10)) FROM visits v "
            "WHERE v.exchange_id = e.id AND v.number < (SELECT max(number) FROM visits w "
            "WHERE w.exchange_id = e.id)) AS hops FROM exchanges e "
            "JOIN conversations c ON c.id = e.conversation_id "
            f"WHERE e.state != 'running' "
            f"AND datetime(e.created_at) >= {since} ORDER BY e.seq",
            (f"-{days} days" if days else "",),
        )

    def close(self) -> None:
        self._db.close()

    def _execute(self, query: str, given: Any) -> list[sqlite3.Row]:
        try:
            return self._db.execute(query, given).fetchall()
        except sqlite3.Error as error:
            raise LogUnusable(f"cannot read the log: {error}", "see `tierchat paths`") from error

    def _rows(self, kind: type[_Row], query: str, given: Any) -> list[_Row]:
        return [_converted(kind, row) for row in self._execute(query, given)]


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[LogReader | None]:
    """Open the log for reading; None when nothing is saved."""
    if not path.exists() or path.stat().st_size == 0:
        yield None
        return
    reader = LogReader(path)
    try:
        yield reader
    finally:
        reader.close()


def messages_of(exchanges: Sequence[ExchangeRow]) -> list[Message]:
    """Return a conversation as messages for a model.

    An interrupted answer counts as far as it was shown; an exchange without an answer is left out.
    """
    messages: list[Message] = []
    for exchange in exchanges:
        if exchange.kind == "summary":
            # A summary that no tier could write replaces nothing.
            if exchange.state == "done":
                messages = summary_messages(exchange.answer)
        elif exchange.answer.strip():
            messages.append(Message(role="user", content=exchange.prompt))
            messages.append(Message(role="assistant", content=exchange.answer))
    return messages


def summary_messages(text: str) -> list[Message]:
    """Return a summary as the messages that replace the conversation it sums up."""
    return [
        Message(role="user", content=f"{_SUMMARY}\n{text}"),
        Message(role="assistant", content=_UNDERSTOOD),
    ]


def _phrases(words: str) -> str:
    """Quote every word, so that FTS5 reads no operators of its query language in them."""
    quoted = (word.replace('"', '""') for word in words.split())
    return " ".join(f'"{word}"' for word in quoted) or '""'


def _converted(kind: type[_Row], row: sqlite3.Row) -> _Row:
    names = set(kind.__struct_fields__)  # type: ignore[attr-defined]
    return msgspec.convert({name: row[name] for name in row.keys() if name in names}, kind)  # noqa: SIM118
