"""The tables of the log, as numbered steps; each is one transaction, none is ever edited.

Does not know what is written into them.
"""

from __future__ import annotations

import sqlite3

# Times are UTC, ISO 8601. Order is by `seq`: clocks jump. One row of `visits` is one tier's part
# in an exchange, `number` counts them from 0. `hidden_by` names what replaced an exchange, or is
# `undo`. `mark` is 1 for /good and -1 for /bad.
_STEPS = (
    """
    CREATE TABLE conversations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        cascade TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    CREATE TABLE exchanges (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('exchange', 'summary')),
        state TEXT NOT NULL CHECK (
            state IN ('running', 'done', 'interrupted', 'unanswered', 'failed', 'lost')
        ),
        hidden_by TEXT,
        mark INTEGER CHECK (mark IN (1, -1)),
        created_at TEXT NOT NULL,
        template TEXT NOT NULL DEFAULT '',
        system TEXT NOT NULL DEFAULT '',
        prompt TEXT NOT NULL,
        answer TEXT NOT NULL DEFAULT '',
        thought TEXT NOT NULL DEFAULT '',
        tier TEXT,
        model TEXT,
        finish_reason TEXT,
        error TEXT,
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        generated_tokens INTEGER NOT NULL DEFAULT 0,
        escalation_tokens INTEGER NOT NULL DEFAULT 0,
        escalation_seconds REAL NOT NULL DEFAULT 0,
        seconds REAL NOT NULL DEFAULT 0,
        compute REAL NOT NULL DEFAULT 0,
        top_compute REAL NOT NULL DEFAULT 0,
        top_tier TEXT
    );
    CREATE INDEX exchanges_of_conversation ON exchanges (conversation_id, seq);
    CREATE TABLE visits (
        exchange_id TEXT NOT NULL REFERENCES exchanges(id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        tier TEXT NOT NULL,
        model TEXT NOT NULL,
        reason TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        generated_tokens INTEGER NOT NULL,
        discarded_tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        estimates TEXT NOT NULL,
        PRIMARY KEY (exchange_id, number)
    );
    CREATE VIRTUAL TABLE exchanges_text USING fts5(
        prompt, answer, content='exchanges', content_rowid='seq', tokenize='unicode61'
    );
    CREATE TRIGGER exchanges_added AFTER INSERT ON exchanges BEGIN
        INSERT INTO exchanges_text (rowid, prompt, answer)
        VALUES (new.seq, new.prompt, new.answer);
    END;
    CREATE TRIGGER exchanges_removed AFTER DELETE ON exchanges BEGIN
        INSERT INTO exchanges_text (exchanges_text, rowid, prompt, answer)
        VALUES ('delete', old.seq, old.prompt, old.answer);
    END;
    CREATE TRIGGER exchanges_changed AFTER UPDATE OF prompt, answer ON exchanges BEGIN
        INSERT INTO exchanges_text (exchanges_text, rowid, prompt, answer)
        VALUES ('delete', old.seq, old.prompt, old.answer);
        INSERT INTO exchanges_text (rowid, prompt, answer)
        VALUES (new.seq, new.prompt, new.answer);
    END;
    """,
)
LATEST = len(_STEPS)


def version_of(db: sqlite3.Connection) -> int:
    """Tell how many steps a database has gone."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection) -> None:
    """Go the steps that are missing; a kill between two leaves whole ones. Raises sqlite3.Error."""
    for number in range(version_of(db), LATEST):
        db.executescript(f"BEGIN;{_STEPS[number]}PRAGMA user_version = {number + 1};COMMIT;")
