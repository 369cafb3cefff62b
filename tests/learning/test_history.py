"""Learning from what people asked, and from what they said of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import UserHome
from tests.conversations.test_store import CHAT, outcome, save, say
from tierchat.conversations.changes import LogChange
from tierchat.conversations.store import LogStore
from tierchat.errors import UsageError
from tierchat.learning.outcomes.grading import grade
from tierchat.learning.outcomes.history import history_prompts
from tierchat.types import Message


def test_prompts_come_with_their_past_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    store = LogStore(path)
    say(store, 1, "one", "1")
    say(store, 2, "two", "II")
    store.change(LogChange(what="bad", id=save(2).exchange))
    say(store, 3, "two", "2", replaces=save(2).exchange)
    store.change(LogChange(what="good", id=save(3).exchange))
    store.begin(save(4, "deadbeef00"), "pocket", (Message(role="user", content="elsewhere"),))
    store.finish(save(4), outcome("here"))
    elsewhere, one, two = history_prompts(path, 10)
    assert elsewhere.group != one.group == two.group == CHAT
    assert [m.content for m in two.messages] == ["one", "1", "two"]
    assert grade(two, "2\n") is True and grade(two, "II") is False and grade(two, "3") is None
    assert two.question == "user: one\n\nassistant: 1\n\nuser: two" and one.question == "one"
    assert two.digest != one.digest and len(history_prompts(path, 2)) == 2


def test_nothing_saved_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        history_prompts(tmp_path / "none.sqlite", 5)


@pytest.mark.slow
def test_a_cascade_learns_from_what_was_asked(home: UserHome) -> None:
    home.paths.data_dir.mkdir(parents=True)
    store = LogStore(home.paths.log_file)
    for number in range(60):
        say(
            store,
            number,
            f"What is {number % 10}+{number // 10}?",
            "x",
            conversation=f"c{number:08d}",
        )
    store.close()
    found = home.run("train", "--from-history", "--max-prompts", "45", "--minutes", "0")
    assert found.returncode == 0, found.stderr
    assert b"have no answer: M graded them" in found.stderr
    assert home.run("train").returncode == 2
