"""Where the next prompt of a saved conversation may begin: the tier, the floor, the marks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.conversations.test_store import CHAT, outcome, save, say, user
from tierchat.conversations.changes import LogChange
from tierchat.conversations.last_answer import LastAnswer, last_answer
from tierchat.conversations.reader import LogReader
from tierchat.conversations.store import LogStore
from tierchat.types import TierOptions

TIERS = ("XS", "S", "M")


def read(path: Path) -> LastAnswer:
    return last_answer("pocket", LogReader(path).exchanges(CHAT, is_whole=True))


def test_the_log_knows_who_answered_what_the_floor_is_and_what_was_bad(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    store = LogStore(path)
    assert read(path) == LastAnswer()
    say(store, 1, "q", "a")
    assert read(path) == LastAnswer("pocket", "S")
    store.begin(save(2), "pocket", user("q2"))
    store.finish(save(2), msgspec.structs.replace(outcome("a2"), floor="S"))
    assert read(path) == LastAnswer("pocket", "S", "S")
    store.change(LogChange(what="bad", id=save(2).exchange))
    assert read(path) == LastAnswer("pocket", "S", "S", is_bad=True)
    # A summary answers nothing, and neither does an exchange that was cut off before a word.
    say(store, 3, "summarise", "we met", is_summary=True)
    store.begin(save(4), "pocket", user("q4"))
    store.end_early(save(4), "interrupted", "", "")
    assert read(path).is_bad


@pytest.mark.parametrize(
    ("last", "answered_by", "floor"),
    [
        (LastAnswer(), None, None),
        (LastAnswer("pocket", "S"), "S", None),
        (LastAnswer("pocket", "XS", is_bad=True), "XS", "S"),
        (LastAnswer("pocket", "XS", "M", is_bad=True), "XS", "M"),
        (LastAnswer("pocket", "M", is_bad=True), "M", "M"),
        (LastAnswer("pocket", None, "S", is_bad=True), None, "S"),
        (LastAnswer("pocket", "L", "L"), None, None),
        (LastAnswer("other", "S", "S"), None, None),
    ],
)
def test_a_bad_answer_raises_the_floor_by_one_tier(
    last: LastAnswer, answered_by: str | None, floor: str | None
) -> None:
    options = last.options(TierOptions(floor="M"), "pocket", TIERS)
    assert (options.answered_by, options.floor) == (answered_by, floor)
