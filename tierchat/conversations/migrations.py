"""The tables of the log as numbered steps; each step is one transaction and is never edited.

Does not know what is written into the tables.
"""

from __future__ import annotations

import sqlite3

# Times are UTC, ISO 8601. `seq` gives the order, since clocks jump. One row of `visits` is one
# tier's part in an exchange, and `number` counts these from 0. `hidden_by` is the exchange shown
# instead of this one, or `undo`. `mark` is 1 for /good and -1 for /bad. `floor` is the tier below
# which the rest of the topic is not answered.
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
    "ALTER TABLE exchanges ADD COLUMN floor TEXT;",
    # What the endpoint's clients may go on from: the conversation and the response as JSON.
    """
    CREATE TABLE responses (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        messages TEXT NOT NULL,
        response TEXT NOT NULL
    );
    """,
)
LATEST = len(_STEPS)


def version_of(db: sqlite3.Connection) -> int:
    """Return how many steps a database has had."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection) -> None:
    """Take the missing steps, each whole or not at all, even if killed. Raises sqlite3.Error."""
    for number in range(version_of(db), LATEST):
        db.executescript(f"BEGIN;{_STEPS[number]}PRAGMA user_version = {number + 1};COMMIT;")
