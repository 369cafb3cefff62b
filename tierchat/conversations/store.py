"""The log on disk: conversations and exchanges in one SQLite file, written by the daemon alone.

Does not know HTTP or clients; `reader` reads, `log_file` opens and repairs. When a method returns,
its change is on disk.
"""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tierchat.conversations.changes import LogChange
from tierchat.conversations.log_file import open_or_repair
from tierchat.conversations.saved_response import SavedResponse
from tierchat.errors import LogRowGone, LogUnusable
from tierchat.outcomes import Outcome
from tierchat.types import Message, Prompt, SaveOptions

LOCK_WAIT_S = 5.0
_TITLE_LENGTH = 60
# Of responses: the oldest are removed first, but the newest never.
_MAX_RESPONSES, _MAX_RESPONSE_BYTES = 1000, 50_000_000


class LogStore:
    """One open log. Belongs to one thread of one process."""

    def __init__(self, path: Path, *, is_first: bool = True, wait_s: float | None = None) -> None:
        """Open a log; create, migrate or repair it if necessary. `notice` describes a repair.

        The first LogStore of a process marks the exchanges as lost that an earlier process left
        unfinished. It waits `wait_s` for a lock, five seconds by default. Raises LogUnusable for
        a log that is newer than this tierchat, locked by another program or not writable.
        """
        wait_s = LOCK_WAIT_S if wait_s is None else wait_s
        self._db, self.notice = open_or_repair(path, wait_s, marks_lost=is_first)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Make one change, whole or not at all; what SQLite raises becomes LogUnusable."""
        try:
            with self._db as db:
                yield db
        except sqlite3.Error as error:
            raise LogUnusable(str(error)) from error

    def begin(self, save: SaveOptions, cascade: str, messages: tuple[Message, ...]) -> bool:
        """Save that an exchange has begun; make its conversation if there is none.

        An exchange of the same id, from a client that asks again, is replaced, unless the request
        goes on with it. Return whether the conversation has no other exchange.
        """
        prompt = Prompt(messages=messages).question
        system = "\n\n".join(m.content for m in messages if m.role == "system")
        now = _now()
        with self._changing() as db:
            other = db.execute(
                "SELECT 1 FROM exchanges WHERE conversation_id = ? AND id != ?",
                (save.conversation, save.exchange),
            ).fetchone()
            db.execute(
                "INSERT INTO conversations (id, title, cascade, created_at, updated_at) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET updated_at = ?",
                (save.conversation, title_of(prompt), cascade, now, now, now),
            )
            if save.goes_on:
                known = db.execute(
                    "UPDATE exchanges SET state = 'running' WHERE id = ?", (save.exchange,)
                )
                if known.rowcount:
                    return other is None
            db.execute("DELETE FROM exchanges WHERE id = ?", (save.exchange,))
            db.execute(
                "INSERT INTO exchanges (id, conversation_id, kind, state, created_at, template, "
                "system, prompt) VALUES (?, ?, ?, 'running', ?, ?, ?, ?)",
                (
                    save.exchange,
                    save.conversation,
                    "summary" if save.is_summary else "exchange",
                    now,
                    save.template,
                    system,
                    prompt,
                ),
            )
        return other is None

    def entitle(self, conversation: str, prompt: str, title: str) -> None:
        """Replace a title made of a prompt's first words; a title given by a person stays."""
        with self._changing() as db:
            db.execute(
                "UPDATE conversations SET title = ? WHERE id = ? AND title = ?",
                (title_of(title), conversation, title_of(prompt)),
            )

    def keep_part(self, exchange: str, answer: str, thought: str) -> None:
        """Save the answer and thought so far."""
        with self._changing() as db:
            db.execute(
                "UPDATE exchanges SET answer = ?, thought = ? WHERE id = ?",
                (answer, thought, exchange),
            )

    def finish(self, save: SaveOptions, outcome: Outcome) -> None:
        """Save an outcome with all its visits; raises LogRowGone if the exchange was removed.

        The costs of a request that goes on with an exchange are added to those before.
        """
        state = {"unanswered": "unanswered", "interrupted": "interrupted"}.get(
            outcome.finish_reason, "done"
        )
        exchange = save.exchange
        last_notice = outcome.notices[-1] if outcome.notices else ""

        def kept(column: str) -> str:
            return f"COALESCE({column}, 0) +" if save.goes_on else ""

        with self._changing() as db:
            written = db.execute(
                "UPDATE exchanges SET state = ?, answer = ?, thought = ?, tier = ?, model = ?, "
                "finish_reason = ?, error = ?, prompt_tokens = ?, generated_tokens = ?, "
                f"escalation_tokens = {kept('escalation_tokens')} ?, "
                f"escalation_seconds = {kept('escalation_seconds')} ?, "
                f"seconds = {kept('seconds')} ?, compute = {kept('compute')} ?, "
                f"top_compute = {kept('top_compute')} ?, top_tier = ?, floor = ? WHERE id = ?",
                (
                    state,
                    outcome.answer,
                    outcome.thought,
                    outcome.tier,
                    outcome.model,
                    outcome.finish_reason,
                    last_notice if state == "unanswered" else None,
                    outcome.prompt_tokens,
                    outcome.generated_tokens,
                    outcome.escalation_tokens,
                    outcome.escalation_seconds,
                    outcome.seconds,
                    outcome.compute,
                    outcome.top_compute,
                    outcome.top_tier,
                    outcome.floor,
                    exchange,
                ),
            )
            if not written.rowcount:
                raise LogRowGone("it was removed meanwhile")
            if not save.goes_on:
                db.execute("DELETE FROM visits WHERE exchange_id = ?", (exchange,))
            before = db.execute(
                "SELECT COUNT(*) FROM visits WHERE exchange_id = ?", (exchange,)
            ).fetchone()[0]
            db.executemany(
                "INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        exchange,
                        number,
                        visit.tier,
                        visit.model,
                        visit.reason,
                        visit.prompt_tokens,
                        visit.cached_tokens,
                        visit.generated_tokens,
                        visit.discarded_tokens,
                        visit.seconds,
                        msgspec.json.encode(visit.estimates).decode(),
                    )
                    for number, visit in enumerate(outcome.path, before)
                ],
            )
            _replace(db, save, outcome.answer)

    def end_early(
        self, save: SaveOptions, state: str, answer: str, thought: str, error: str | None = None
    ) -> None:
        """Save that an exchange ended without an outcome; `state` says how."""
        with self._changing() as db:
            db.execute(
                "UPDATE exchanges SET state = ?, answer = ?, thought = ?, error = ? WHERE id = ?",
                (state, answer, thought, error, save.exchange),
            )
            _replace(db, save, answer)

    def withdraw(self, save: SaveOptions) -> None:
        """Remove an exchange that was refused, and its conversation if nothing else is in it."""
        with self._changing() as db:
            db.execute("DELETE FROM exchanges WHERE id = ?", (save.exchange,))
            db.execute(
                "DELETE FROM conversations WHERE id = ? AND NOT EXISTS "
                "(SELECT 1 FROM exchanges WHERE conversation_id = conversations.id)",
                (save.conversation,),
            )

    def change(self, change: LogChange) -> int:
        """Make a change that a person asked for; return how many rows changed."""
        with self._changing() as db:
            match change.what:
                case "remove":
                    # Visits are removed with their exchanges; triggers remove the indexed text.
                    db.execute("DELETE FROM exchanges WHERE conversation_id = ?", (change.id,))
                    query, given = "DELETE FROM conversations WHERE id = ?", [change.id]
                case "rename":
                    query = "UPDATE conversations SET title = ? WHERE id = ?"
                    given = [title_of(change.text), change.id]
                case "hide":
                    query = "UPDATE exchanges SET hidden_by = 'undo' WHERE id = ?"
                    given = [change.id]
                case "good" | "bad" | "unmark":
                    mark = {"good": "1", "bad": "-1", "unmark": "NULL"}[change.what]
                    query, given = f"UPDATE exchanges SET mark = {mark} WHERE id = ?", [change.id]
            num = db.execute(query, given).rowcount
        if change.what == "remove":
            self._wipe()
        return num

    def keep_response(self, saved: SavedResponse) -> None:
        """Save a response; the oldest are removed beyond 1,000 of them, or beyond 50 MB."""
        messages = msgspec.json.encode(saved.messages)
        size = len(messages) + len(saved.response.encode())
        with self._changing() as db:
            db.execute(
                "INSERT INTO responses (id, created_at, size_bytes, messages, response) "
                "VALUES (?, ?, ?, ?, ?)",
                (saved.id, _now(), size, messages.decode(), saved.response),
            )
            db.execute(
                "DELETE FROM responses WHERE seq < (SELECT max(seq) FROM responses) AND seq IN "
                "(SELECT seq FROM (SELECT seq, row_number() OVER newest AS number, "
                "sum(size_bytes) OVER newest AS total FROM responses "
                "WINDOW newest AS (ORDER BY seq DESC)) WHERE number > ? OR total > ?)",
                (_MAX_RESPONSES, _MAX_RESPONSE_BYTES),
            )

    def response(self, id_: str) -> SavedResponse | None:
        """Return a saved response; None where there is none of that name."""
        with self._changing() as db:
            query = "SELECT messages, response FROM responses WHERE id = ?"
            found = db.execute(query, (id_,)).fetchone()
        if found is None:
            return None
        messages, response = found
        turns = msgspec.json.decode(messages, type=tuple[Message, ...])
        return SavedResponse(id=id_, messages=turns, response=response)

    def remove_response(self, id_: str) -> bool:
        """Remove a saved response and all traces of it; return whether there was one."""
        with self._changing() as db:
            num = db.execute("DELETE FROM responses WHERE id = ?", (id_,)).rowcount
        with self._changing() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return bool(num)

    def _wipe(self) -> None:
        """Remove all traces of removed rows from the text index and the write-ahead log."""
        with self._changing() as db:
            db.execute("INSERT INTO exchanges_text (exchanges_text) VALUES ('optimize')")
        # In a change of its own: a checkpoint cannot run inside a transaction.
        with self._changing() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _replace(db: sqlite3.Connection, save: SaveOptions, answer: str) -> None:
    """Hide the exchange that this one replaces, if this one has an answer."""
    if save.replaces and answer.strip():
        db.execute(
            "UPDATE exchanges SET hidden_by = ? WHERE id = ? AND conversation_id = ?",
            (save.exchange, save.replaces, save.conversation),
        )


def title_of(text: str) -> str:
    """Return the first words of a text as a title."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    words = " ".join(line.split())
    if len(words) <= _TITLE_LENGTH:
        return words
    cut = words[: _TITLE_LENGTH - 1]
    return f"{cut.rsplit(' ', 1)[0] if ' ' in cut else cut}…"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
