"""Does a query give the wanted rows? Tried on SQLite in memory, with no files and in bounded time.

Does not know prompts.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from typing import Any

from tierchat.learning.graders.texts import blocks

_MAX_SECONDS = 2.0
_MAX_ROWS = 10_000
_MAX_BYTES = 1_000_000
_STEPS_BETWEEN_LOOKS = 10_000
_FORBIDDEN = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}

Rows = list[tuple[Any, ...]]


def is_query(text: str, setup: str, wanted: str) -> bool:
    """Return whether the SQL of an answer does what the wanted SQL does after the same setup.

    Compares the rows of the last statement (in order if the wanted one sorts them) and what is
    left in the tables. Names of columns are free.
    """
    found = blocks(text)
    query = found[-1] if found else text.strip().strip("`")
    try:
        right, right_tables = _run(setup, wanted)
        rows, tables = _run(setup, query)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError):
        return False
    if tables != right_tables:
        return False
    if "order by" in " ".join(wanted.casefold().split()):
        return rows == right
    return Counter(rows) == Counter(right)


def _run(setup: str, query: str) -> tuple[Rows, dict[str, Counter[tuple[Any, ...]]]]:
    """Return the rows of the last statement, and the rows left in every table."""
    end_s = time.monotonic() + _MAX_SECONDS
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
        db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        db.executescript(setup)
        db.set_authorizer(_authorize)
        db.set_progress_handler(lambda: int(time.monotonic() > end_s), _STEPS_BETWEEN_LOOKS)
        rows: Rows = []
        for statement in _statements(query):
            rows = [tuple(map(_value, row)) for row in db.execute(statement).fetchmany(_MAX_ROWS)]
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {
            name.casefold(): Counter(
                tuple(map(_value, row))
                for row in db.execute(f'SELECT * FROM "{name}"').fetchmany(_MAX_ROWS)
            )
            for (name,) in names
        }
    return rows, tables


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _FORBIDDEN:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").casefold() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _statements(query: str) -> list[str]:
    found, begun = [], ""
    for piece in query.split(";"):
        begun += piece + ";"
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return [*found, begun] if begun.strip("; \n\t") else [one for one in found if one.strip("; \n")]


def _value(value: Any) -> Any:
    # 3 and 3.0 are the same answer, and so are sums that differ in the last bit.
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.9g}")
    return value
