"""The file of the log: opened, created, migrated, and repaired when it is damaged.

Does not know what is written into it.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tierchat.conversations import migrations
from tierchat.errors import LogUnusable

_MAX_CHECKED_BYTES = 256 << 20
# After this many unreadable row numbers in a row, a damaged table is taken to end.
_MAX_MISSING = 2_000
_NETWORK_FILES = ("nfs", "cifs", "smb", "fuse.sshfs", "9p")


def open_or_repair(
    path: Path, wait_s: float, *, marks_lost: bool
) -> tuple[sqlite3.Connection, str]:
    """Open a log, creating, migrating or repairing it if necessary; return a notice of a repair.

    Waits `wait_s` for a lock. `marks_lost`: exchanges that are still running were lost. Raises
    LogUnusable for a log that is newer than this tierchat, locked or not writable.
    """
    try:
        return _open(path, wait_s, marks_lost=marks_lost), ""
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
            raise LogUnusable(f"cannot write {path}: {error}", _hint(error)) from error
        notice = _move_aside(path, error, wait_s)
    try:
        return _open(path, wait_s, marks_lost=marks_lost), notice
    except sqlite3.Error as error:
        raise LogUnusable(f"cannot write {path}: {error}", _hint(error)) from error


def _open(path: Path, wait_s: float, *, marks_lost: bool = False) -> sqlite3.Connection:
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
            [report] = db.execute("PRAGMA quick_check(1)").fetchone()
            if report != "ok":
                raise sqlite3.DatabaseError(report)
        migrations.migrate(db)
        if marks_lost:
            with db:
                db.execute("UPDATE exchanges SET state = 'lost' WHERE state = 'running'")
        undo.pop_all()
    return db


def _move_aside(path: Path, error: Exception, wait_s: float) -> str:
    """Rename a damaged log and copy its readable rows to a new one; return a notice."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.replace(aside)
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).replace(aside.with_name(aside.name + ending))
    num = _recover(aside, path, wait_s)
    return f"the log was damaged ({error}); {num} exchanges were saved from {aside}"


def _recover(source: Path, target: Path, wait_s: float) -> int:
    """Copy every readable row; return how many exchanges were copied."""
    num_copied = Counter[str]()
    with (
        contextlib.closing(_open(target, wait_s)) as new,
        contextlib.closing(sqlite3.connect(source)) as old,
    ):
        # Lets SQLite read a file that is shorter than its header says (sqlite.org/pragma.html).
        old.execute("PRAGMA writable_schema = ON")
        for table in ("conversations", "exchanges", "visits", "responses"):
            for row in _readable_rows(old, table):
                marks = ",".join("?" * len(row))
                with contextlib.suppress(sqlite3.Error), new:
                    new.execute(f"INSERT INTO {table} VALUES ({marks})", row)
                    num_copied[table] += 1
    return num_copied["exchanges"]


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
