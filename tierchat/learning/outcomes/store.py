"""Finished cells of outcome matrices on disk: one SQLite table of bytes by key.

Does not know what a cell means. A cell is written once. A process that is killed loses at most
the cells that it had not saved yet, and no cell counts twice.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tierchat.errors import ConfigError

_SCHEMA = 1
_CREATE = "CREATE TABLE IF NOT EXISTS cells (key BLOB PRIMARY KEY, value BLOB NOT NULL)"
_MAX_VARIABLES = 500
_PRIVATE = 0o600


class OutcomeStore:
    """An open database; one process writes at a time, others wait."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises ConfigError when it holds something else."""
        # Prompts and answers are for the owner alone, whatever the umask; SQLite gives its other
        # files the same mode.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
            path.chmod(_PRIVATE)
        self._path = path
        with self._telling_errors():
            self._db = sqlite3.connect(path, timeout=30.0)
            [version] = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _SCHEMA):
                raise ConfigError(
                    f"{path} was written by another version of tierchat", "move it away"
                )
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._db:
                self._db.execute(_CREATE)
                self._db.execute(f"PRAGMA user_version = {_SCHEMA}")

    def load(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the cells that the store has of these keys; raises ConfigError."""
        wanted, found = list(keys), dict[bytes, bytes]()
        for start in range(0, len(wanted), _MAX_VARIABLES):
            part = wanted[start : start + _MAX_VARIABLES]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, value FROM cells WHERE key IN ({marks})"
            with self._telling_errors():
                found.update(self._db.execute(query, part))
        return found

    def save(self, cells: Iterable[tuple[bytes, bytes]]) -> None:
        """Write cells in one transaction; cells that the store has already stay as they are.

        Raises ConfigError where the disk is full or the file damaged.
        """
        with self._telling_errors(), self._db:
            self._db.executemany("INSERT OR IGNORE INTO cells VALUES (?, ?)", cells)

    def count(self) -> int:
        """Return the number of all cells."""
        with self._telling_errors():
            return int(self._db.execute("SELECT COUNT(*) FROM cells").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            # A full disk, a file that may not be written, another process that holds it.
            hint = f"see that {self._path.parent} can be written and its disk is not full"
            raise ConfigError(f"cannot use {self._path}: {error}", hint) from error
        except sqlite3.Error as error:
            hint = "the file is damaged; move it away, and the answers are asked anew"
            raise ConfigError(f"cannot use {self._path}: {error}", hint) from error


@contextmanager
def open_store(path: Path) -> Iterator[OutcomeStore]:
    """Open a store and close it again."""
    store = OutcomeStore(path)
    try:
        yield store
    finally:
        store.close()
