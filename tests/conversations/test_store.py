"""The log is written by one, read by many, repaired when damaged, left untouched when newer."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tierchat.cascade.ledger import Ledger
from tierchat.conversations import migrations
from tierchat.conversations import store as log_store
from tierchat.conversations.changes import LogChange
from tierchat.conversations.reader import LogReader, messages_of, open_log
from tierchat.conversations.saved_response import SavedResponse
from tierchat.conversations.store import LogStore, title_of
from tierchat.errors import LogUnusable, UsageError
from tierchat.outcomes import FinishReason, Outcome, Usage
from tierchat.types import Message, SaveOptions, Verdict

CHAT = "c0ffee00"


def outcome(answer: str, reason: FinishReason = "stop") -> Outcome:
    ledger = Ledger({"XS": 1.0, "S": 5.0}.__getitem__, "S")
    verdict = Verdict(escalate=True, reason="escalate token", estimates={"p": 0.9})
    ledger.add("XS", "small", "escalate token", Usage(prompt_tokens=10), verdict)
    ledger.add("S", "big", "stop", Usage(prompt_tokens=10, generated_tokens=4), is_answer=True)
    return ledger.close(answer, "hm", reason, 0.5)


def save(number: int, conversation: str = CHAT, **more: object) -> SaveOptions:
    return SaveOptions(conversation=conversation, exchange=f"exchange{number:04d}", **more)  # type: ignore[arg-type]


def user(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def say(store: LogStore, number: int, prompt: str, answer: str, **more: object) -> None:
    options = save(number, **more)  # type: ignore[arg-type]
    store.begin(options, "pocket", user(prompt))
    store.finish(options, outcome(answer))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


def test_what_was_finished_is_read_back_whole(path: Path) -> None:
    store = LogStore(path)
    say(store, 1, "What is 2+2?", "4", template="sums")
    reader = LogReader(path)
    [conversation] = reader.conversations(10)
    assert (conversation.id, conversation.title, conversation.num_exchanges) == (
        CHAT,
        "What is 2+2?",
        1,
    )
    [exchange] = reader.exchanges(CHAT)
    assert (exchange.state, exchange.answer, exchange.thought) == ("done", "4", "hm")
    assert (exchange.tier, exchange.template, exchange.top_tier) == ("S", "sums", "S")
    assert exchange.compute == 80 and exchange.top_compute == 70
    first, second = reader.visits(exchange.id)
    assert first.estimates == {"p": 0.9} and second.generated_tokens == 4
    assert [m.content for m in messages_of([exchange])] == ["What is 2+2?", "4"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_exchange_is_there_from_its_beginning_and_lost_when_its_writer_dies(path: Path) -> None:
    store = LogStore(path)
    store.begin(save(1), "pocket", user("a long story"))
    assert LogReader(path).exchanges(CHAT)[0].state == "running"
    store.keep_part(save(1).exchange, "Once upon", "")
    store.close()
    store = LogStore(path)
    [exchange] = LogReader(path).exchanges(CHAT)
    assert (exchange.state, exchange.answer) == ("lost", "Once upon")


def test_how_an_exchange_ended_is_told(path: Path) -> None:
    store = LogStore(path)
    store.begin(save(1), "pocket", user("one"))
    store.end_early(save(1), "interrupted", "1 is", "")
    store.begin(save(2), "pocket", user("two"))
    store.end_early(save(2), "failed", "", "", "out of memory")
    store.begin(save(3), "pocket", user("three"))
    store.finish(save(3), outcome("", "unanswered"))
    found = LogReader(path).exchanges(CHAT)
    assert [e.state for e in found] == ["interrupted", "failed", "unanswered"]
    assert found[1].error == "out of memory"
    # Only answers, as far as they went, are sent to a model again.
    assert [m.content for m in messages_of(found)] == ["one", "1 is"]


def test_undone_and_replaced_exchanges_are_hidden_not_gone(path: Path) -> None:
    store = LogStore(path)
    say(store, 1, "one", "1")
    say(store, 2, "two", "2")
    say(store, 3, "two", "II", replaces=save(2).exchange)
    assert store.change(LogChange(what="hide", id=save(1).exchange)) == 1
    reader = LogReader(path)
    assert [e.answer for e in reader.exchanges(CHAT)] == ["II"]
    hidden = reader.exchanges(CHAT, with_hidden=True)
    assert [e.hidden_by for e in hidden] == ["undo", save(3).exchange, None]
    assert len(reader.spent()) == 3


def test_what_has_no_answer_replaces_nothing(path: Path) -> None:
    store = LogStore(path)
    say(store, 1, "one", "1")
    for number, answer in ((2, ""), (3, " ")):
        again = save(number, replaces=save(1).exchange)
        store.begin(again, "pocket", user("one"))
        store.end_early(again, "failed", answer, "")
    again = save(4, replaces=save(1).exchange)
    store.begin(again, "pocket", user("one"))
    store.finish(again, outcome("", "unanswered"))
    reader = LogReader(path)
    assert [m.content for m in messages_of(reader.exchanges(CHAT))] == ["one", "1"]
    store.end_early(again, "interrupted", "I", "")
    assert [m.content for m in messages_of(reader.exchanges(CHAT))] == ["one", "I"]


def test_marks_titles_and_removal(path: Path) -> None:
    store = LogStore(path)
    say(store, 1, "one", "1")
    say(store, 2, "elsewhere", "2", conversation="deadbeef00")
    store.change(LogChange(what="bad", id=save(1).exchange))
    store.change(LogChange(what="rename", id=CHAT, text="numbers"))
    reader = LogReader(path)
    assert reader.exchanges(CHAT)[0].mark == -1
    assert {row.title for row in reader.conversations(5)} == {"numbers", "elsewhere"}
    assert store.change(LogChange(what="remove", id=CHAT)) == 1
    assert [c.title for c in reader.conversations(5)] == ["elsewhere"]
    assert not reader.search("one", 5) and not reader.visits(save(1).exchange)
    assert store.change(LogChange(what="remove", id=CHAT)) == 0


def test_a_summary_stands_for_what_came_before(path: Path) -> None:
    store = LogStore(path)
    say(store, 1, "one", "1")
    say(store, 2, "summarise", "we counted", is_summary=True)
    say(store, 3, "two", "2")
    reader = LogReader(path)
    assert [e.prompt for e in reader.exchanges(CHAT, is_whole=True)] == ["one", "summarise", "two"]
    messages = messages_of(reader.exchanges(CHAT))
    assert [m.role for m in messages] == ["user", "assistant"] * 2
    assert "we counted" in messages[0].content


def test_search_takes_words_not_a_language(path: Path) -> None:
    store = LogStore(path)
    say(store, 1, 'how do I "quote" -- AND escape?', "with a backslash")
    say(store, 2, "сколько будет 2+2?", "4")
    reader = LogReader(path)
    [(exchange, place)] = reader.search('"quote" AND', 5)
    assert exchange.prompt.startswith("how") and "\x02" in place
    assert len(reader.search("сколько", 5)) == 1
    say(store, 3, "你好世界 2+2", "4")
    [(exchange, place)] = reader.search("好世 2+2", 5)
    assert exchange.answer == "4" and "\x02好世\x03" in place
    assert not reader.search("NEAR( *", 5) and not reader.search("", 5)


def test_ids_may_be_shortened(path: Path) -> None:
    store = LogStore(path)
    say(store, 1, "one", "1")
    say(store, 2, "two", "2", conversation="c0ffab00")
    reader = LogReader(path)
    assert reader.find("c0ffe") == CHAT
    for wrong in ("c0ff", "zzz", "c"):
        with pytest.raises(UsageError):
            reader.find(wrong)
    assert reader.last() == "c0ffab00"


@pytest.mark.parametrize("damage", ["garbage", "truncated", "middle"])
def test_a_damaged_log_is_moved_aside_and_mended(path: Path, damage: str) -> None:
    store = LogStore(path)
    for number in range(200):
        say(store, number, f"prompt {number} " + "x" * 300, "answer")
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "garbage":
            file.write(os.urandom(4096))
        elif damage == "truncated":
            file.truncate(size // 2)
        else:
            file.seek(size // 2 // 4096 * 4096)
            file.write(os.urandom(8192))
    store = LogStore(path)
    assert "damaged" in store.notice
    say(store, 900, "again", "works")
    assert len(list(path.parent.glob("log.sqlite.damaged-*"))) >= 1
    found = LogReader(path).exchanges(CHAT)
    assert found[-1].answer == "works"
    if damage != "garbage":
        assert len(found) > 20


def test_an_exchange_that_was_running_in_a_damaged_log_is_lost(path: Path) -> None:
    store = LogStore(path)
    for number in range(200):
        say(store, number, f"prompt {number} " + "x" * 300, "answer")
    # In the first pages of the table, which stay whole.
    store._db.execute("UPDATE exchanges SET state = 'running' WHERE id = 'exchange0003'")
    store._db.commit()
    store.close()
    os.truncate(path, path.stat().st_size // 2)
    assert "damaged" in LogStore(path).notice
    states = {exchange.id: exchange.state for exchange in LogReader(path).exchanges(CHAT)}
    assert states["exchange0003"] == "lost"


def test_a_newer_log_is_left_untouched(path: Path) -> None:
    LogStore(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {migrations.LATEST + 1}")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(LogUnusable, match="newer"):
        LogStore(path)
    with pytest.raises(LogUnusable, match="newer"):
        LogReader(path)
    assert path.read_bytes() == before


def test_a_half_migrated_log_goes_the_rest_of_the_way(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LogStore(path).close()
    steps = (*migrations._STEPS, "CREATE TABLE more (x);", "CREATE TABLE nonsense (;")
    monkeypatch.setattr(migrations, "_STEPS", steps)
    monkeypatch.setattr(migrations, "LATEST", len(steps))
    with pytest.raises(LogUnusable):
        LogStore(path)
    monkeypatch.setattr(migrations, "_STEPS", (*steps[:-1], "CREATE TABLE sense (x);"))
    store = LogStore(path)
    say(store, 1, "one", "1")
    assert LogReader(path).exchanges(CHAT)


def test_a_locked_log_is_waited_for_and_then_left(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LogStore(path).close()
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(log_store, "LOCK_WAIT_S", 0.1)
    with pytest.raises(LogUnusable) as caught:
        LogStore(path)
    assert "locked" in caught.value.hint
    other.rollback()
    LogStore(path).close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnusable, match=r"log\.sqlite"):
        LogStore(tmp_path / "missing" / "log.sqlite")


def test_nothing_saved_is_no_error(path: Path) -> None:
    with open_log(path) as reader:
        assert reader is None


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n\n  2+2 \n more", "2+2"),
        ("", ""),
        ("word " * 30, "word " * 10 + "word…"),
        ("x" * 80, "x" * 59 + "…"),
    ],
)
def test_titles_are_first_words(text: str, title: str) -> None:
    assert title_of(text) == title


def test_what_sqlite_raises_is_an_error_of_ours(tmp_path: Path) -> None:
    store = LogStore(tmp_path / "log.sqlite")
    store._db.execute("DROP TABLE conversations")
    with pytest.raises(LogUnusable, match="no such table") as caught:
        store.change(LogChange(what="rename", id="x", text="y"))
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    store.close()


def test_the_oldest_responses_are_removed_beyond_a_number_or_a_size(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "_MAX_RESPONSES", 3)
    monkeypatch.setattr(log_store, "_MAX_RESPONSE_BYTES", 50_000)
    store = LogStore(path)

    def keep(name: str, size: int = 1) -> None:
        store.keep_response(SavedResponse(id=name, messages=user("x" * size), response="{}"))

    for number in range(4):
        keep(str(number))
    assert store.response("0") is None and store.response("1")
    keep("a", 30_000)
    keep("b", 30_000)
    assert store.response("a") is None and store.response("b")
    keep("c", 60_000)
    assert store.response("b") is None and store.response("c")
    assert store.remove_response("c") and not store.remove_response("c")
    store.close()
    assert b"xxxxxxxx" not in path.read_bytes()
