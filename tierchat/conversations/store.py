"""The log on disk: conversations and exchanges in one SQLite file, written by the daemon alone.

Does not know HTTP or clients; `reader` reads. When a method returns, its change is on disk.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tierchat.conversations import migrations
from tierchat.conversations.changes import LogChange
from tierchat.errors import LogRowGone, LogUnusable
from tierchat.types import Message, Outcome, SaveOptions

LOCK_WAIT_S = 5.0
_MAX_CHECKED_BYTES = 256 << 20
_TITLE_LENGTH = 60
# After this many unreadable row numbers in a row, a damaged table is taken to end.
_MAX_MISSING = 2_000
_NETWORK_FILES = ("nfs", "cifs", "smb", "fuse.sshfs", "9p")


class LogStore:
    """One open log. Belongs to one thread of one process."""

    def __init__(self, path: Path, *, is_first: bool = True, wait_s: float | None = None) -> None:
        """Open a log; create, migrate or repair it if necessary. `notice` describes a repair.

        The first LogStore of a process marks the exchanges as lost that an earlier process left
        unfinished. It waits `wait_s` for a lock, five seconds by default. Raises LogUnusable for
        a log that is newer than this tierchat, locked by another program or not writable.
        """
        self.notice = ""
        try:
            wait_s = LOCK_WAIT_S if wait_s is None else wait_s
            self._db = _opened(path, wait_s, marks_lost=is_first)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                raise LogUnusable(f"cannot write {path}: {error}", _hint(error)) from error
            self.notice = _moved_aside(path, error)
            try:
                self._db = _opened(path, LOCK_WAIT_S)
            except sqlite3.Error as again:
                raise LogUnusable(f"cannot write {path}: {again}", _hint(again)) from again

    def begin(self, save: SaveOptions, cascade: str, messages: tuple[Message, ...]) -> bool:
        """Save that an exchange has begun; make its conversation if there is none.

        An exchange of the same id, from a client that asks again, is replaced. Return whether the
        conversation is new.
        """
        prompt = messages[-1].content
        system = "\n\n".join(m.content for m in messages if m.role == "system")
        now = _now()
        with self._db as db:
            known = db.execute(
                "SELECT 1 FROM conversations WHERE id = ?", (save.conversation,)
            ).fetchone()
            db.execute(
                "INSERT INTO conversations (id, title, cascade, created_at, updated_at) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET updated_at = ?",
                (save.conversation, title_of(prompt), cascade, now, now, now),
            )
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
        return known is None

    def entitle(self, conversation: str, prompt: str, title: str) -> None:
        """Replace a title made of a prompt's first words; a title given by a person stays."""
        with self._db as db:
            db.execute(
                "UPDATE conversations SET title = ? WHERE id = ? AND title = ?",
                (title_of(title), conversation, title_of(prompt)),
            )

    def keep_part(self, exchange: str, answer: str, thought: str) -> None:
        """Save the answer and thought so far."""
        with self._db as db:
            db.execute(
                "UPDATE exchanges SET answer = ?, thought = ? WHERE id = ?",
                (answer, thought, exchange),
            )

    def finish(self, save: SaveOptions, outcome: Outcome) -> None:
        """Save an outcome with all its visits; raises LogRowGone if the exchange was removed."""
        state = {"unanswered": "unanswered", "interrupted": "interrupted"}.get(
            outcome.finish_reason, "done"
        )
        exchange = save.exchange
        last_notice = outcome.notices[-1] if outcome.notices else ""
        with self._db as db:
            written = db.execute(
                "UPDATE exchanges SET state = ?, answer = ?, thought = ?, tier = ?, model = ?, "
                "finish_reason = ?, error = ?, prompt_tokens = ?, generated_tokens = ?, "
                "escalation_tokens = ?, escalation_seconds = ?, seconds = ?, compute = ?, "
                "top_compute = ?, top_tier = ? WHERE id = ?",
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
                    exchange,
                ),
            )
            if not written.rowcount:
                raise LogRowGone("it was removed meanwhile")
            db.execute("DELETE FROM visits WHERE exchange_id = ?", (exchange,))
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
                    for number, visit in enumerate(outcome.path)
                ],
            )
            _replace(db, save, outcome.answer)

    def end_early(
        self, save: SaveOptions, state: str, answer: str, thought: str, error: str | None = None
    ) -> None:
        """Save that an exchange ended without an outcome; `state` says how."""
        with self._db as db:
            db.execute(
                "UPDATE exchanges SET state = ?, answer = ?, thought = ?, error = ? WHERE id = ?",
                (state, answer, thought, error, save.exchange),
            )
            _replace(db, save, answer)

    def change(self, change: LogChange) -> int:
        """Make a change that a person asked for; return how many rows changed."""
        with self._db as db:
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

    def _wipe(self) -> None:
        """Remove all traces of removed rows from the text index and the write-ahead log."""
        with self._db as db:
            db.execute("INSERT INTO exchanges_text (exchanges_text) VALUES ('optimize')")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

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


def _opened(path: Path, wait_s: float, *, marks_lost: bool = False) -> sqlite3.Connection:
    # Readable by the owner alone, whatever the umask; SQLite gives its other files the same mode.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with contextlib.ExitStack() as undo:
        db = undo.enter_context(contextlib.closing(sqlite3.connect(path, timeout=wait_s)))
        version = migrations.version_of(db)
        if version > migrations.LATEST:
            raise LogUnusable(
                f"{path} was written by a newer tierchat (schema {version})",
                "upgrade tierchat; the file is left untouched",
            )
        if not _is_on_network(path):
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        # Removed rows are overwritten.
        db.execute("PRAGMA secure_delete = ON")
        if path.stat().st_size <= _MAX_CHECKED_BYTES:
            [found] = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        migrations.migrate(db)
        if marks_lost:
            with db:
                db.execute("UPDATE exchanges SET state = 'lost' WHERE state = 'running'")
        undo.pop_all()
    return db


def _moved_aside(path: Path, error: Exception) -> str:
    """Rename a damaged log and copy its readable rows to a new one; return a notice."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.replace(aside)
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).replace(aside.with_name(aside.name + ending))
    num = _recover(aside, path)
    return f"the log was damaged ({error}); {num} exchanges were saved from {aside}"


def _recover(source: Path, target: Path) -> int:
    """Copy every readable row; return how many exchanges were copied."""
    num = 0
    with (
        contextlib.closing(_opened(target, LOCK_WAIT_S)) as new,
        contextlib.closing(sqlite3.connect(source)) as old,
    ):
        # Lets SQLite read a file that is shorter than its header says (sqlite.org/pragma.html).
        old.execute("PRAGMA writable_schema = ON")
        for table in ("conversations", "exchanges", "visits"):
            for row in _readable_rows(old, table):
                marks = ",".join("?" * len(row))
                with contextlib.suppress(sqlite3.Error), new:
                    new.execute(f"INSERT INTO {table} VALUES ({marks})", row)
                    num += table == "exchanges"
    return num


def _readable_rows(db: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield readable rows; after a damaged page, try one row number after another."""
    last, num_missing = 0, 0
    while num_missing < _MAX_MISSING:
        try:
            for number, *row in db.execute(
                f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid", (last,)
            ):
                last, num_missing = number, 0
                yield tuple(row)
            return
        except sqlite3.Error:
            last, num_missing = last + 1, num_missing + 1


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def _hint(error: sqlite3.Error) -> str:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
        return "another program holds it locked; `tierchat daemon down` tries again"
    return "see `tierchat paths` for where it is; free space or make it writable"


def _is_on_network(path: Path) -> bool:
    """Whether a file is on a network, where SQLite's WAL may lack shared memory."""
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return False
    longest, kind = "", ""
    for line in lines:
        _, mount, file_system, *_ = line.split()
        if path.is_relative_to(mount) and len(mount) >= len(longest):
            longest, kind = mount, file_system
    return kind.startswith(_NETWORK_FILES)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
