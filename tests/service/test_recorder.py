"""What passes through the daemon is written down, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tierchat.cascade.ledger import Ledger
from tierchat.conversations import store as log_store
from tierchat.conversations.changes import LogChange
from tierchat.conversations.reader import LogReader
from tierchat.conversations.store import LogStore
from tierchat.errors import EngineCrashed, UsageError
from tierchat.events import AnswerDelta, CascadeEvent, Done, Notice
from tierchat.outcomes import Usage
from tierchat.service.recorder import Recorder
from tierchat.types import Message, Prompt, SaveOptions, TierOptions

CHAT = "c0ffee00"


class Scripted:
    """Answers "a b c"; a prompt that says so fails, or never ends."""

    def __init__(self, titler: str | None = None) -> None:
        self._titler = titler
        self.default = "script"
        self.asked: list[Prompt] = []

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        self.asked.append(prompt)
        if prompt.messages[-1].content == "impossible":
            raise UsageError("no cascade of that name")
        text = prompt.messages[-1].content
        answer = '"A fine title."' if "title" in text else "a b c"
        for part in answer.split(" "):
            yield AnswerDelta(text=f"{part} ")
            if text == "fail":
                raise EngineCrashed("it broke")
            if text == "wait":
                await asyncio.sleep(60)
        ledger = Ledger(lambda _tier: 1.0, "XS")
        ledger.add("XS", "script", "stop", Usage(generated_tokens=3), is_answer=True)
        yield Done(outcome=ledger.close(answer, "", "stop", 0.1))

    def titler(self, _cascade: str) -> str | None:
        return self._titler


def recorder_of(scripted: Scripted, path: Path) -> Recorder:
    return Recorder(scripted, scripted, path)  # type: ignore[arg-type]


def prompt(text: str, number: int = 1) -> Prompt:
    save = SaveOptions(conversation=CHAT, exchange=f"exchange{number}")
    message = Message(role="user", content=text)
    return Prompt(messages=(message,), options=TierOptions(save=save))


async def listen(recorder: Recorder, asked: Prompt, most: int = 99) -> list[CascadeEvent]:
    found: list[CascadeEvent] = []
    async with contextlib.aclosing(recorder.answer(asked)) as events:
        async for event in events:
            found.append(event)
            if len(found) == most:
                break
    return found


def test_done_comes_once_the_exchange_is_on_disk(tmp_path: Path) -> None:
    async def run() -> None:
        recorder = recorder_of(Scripted(), tmp_path / "log.sqlite")
        *_, done = await listen(recorder, prompt("hello"))
        assert isinstance(done, Done) and done.outcome.exchange_id == "exchange1"
        [exchange] = LogReader(tmp_path / "log.sqlite").exchanges(CHAT)
        assert exchange.state == "done" and exchange.answer == "a b c"
        assert await recorder.change(LogChange(what="good", id="exchange1")) == 1
        await recorder.close()

    asyncio.run(run())


def test_a_conversation_belongs_to_the_default_cascade_of_its_first_prompt(tmp_path: Path) -> None:
    async def run() -> None:
        scripted = Scripted()
        recorder = recorder_of(scripted, tmp_path / "log.sqlite")
        scripted.default = "another"
        await listen(recorder, prompt("hello"))
        await recorder.close()

    asyncio.run(run())
    [row] = LogReader(tmp_path / "log.sqlite").conversations(5)
    assert row.cascade == "another"


@pytest.mark.parametrize(("text", "state"), [("fail", "failed"), ("wait", "interrupted")])
def test_an_exchange_that_ends_early_is_marked(tmp_path: Path, text: str, state: str) -> None:
    async def run() -> None:
        recorder = recorder_of(Scripted(), tmp_path / "log.sqlite")
        with contextlib.suppress(EngineCrashed):
            await listen(recorder, prompt(text), most=1 if text == "wait" else 99)
        await recorder.close()

    asyncio.run(run())
    [exchange] = LogReader(tmp_path / "log.sqlite").exchanges(CHAT)
    assert (exchange.state, exchange.answer) == (state, "a ")


@pytest.mark.parametrize("texts", [["impossible"], ["hello", "impossible"]])
def test_a_request_that_was_refused_is_not_saved(tmp_path: Path, texts: list[str]) -> None:
    async def run() -> None:
        recorder = recorder_of(Scripted(), tmp_path / "log.sqlite")
        for number, text in enumerate(texts):
            with contextlib.suppress(UsageError):
                await listen(recorder, prompt(text, number))
        await recorder.close()

    asyncio.run(run())
    reader = LogReader(tmp_path / "log.sqlite")
    assert [e.prompt for e in reader.exchanges(CHAT)] == texts[:-1]
    assert len(reader.conversations(5)) == len(texts) - 1


def test_a_conversation_gets_a_title_from_its_first_exchange(tmp_path: Path) -> None:
    async def run() -> None:
        scripted = Scripted(titler="XS")
        recorder = recorder_of(scripted, tmp_path / "log.sqlite")
        await listen(recorder, prompt("hello there"))
        await asyncio.sleep(0.1)
        await listen(recorder, prompt("and again", 2))
        await asyncio.sleep(0.1)
        await recorder.close()
        assert len(scripted.asked) == 3 and scripted.asked[1].options.tier == "XS"

    asyncio.run(run())
    [row] = LogReader(tmp_path / "log.sqlite").conversations(5)
    assert row.title == "A fine title"


def test_without_a_usable_log_it_answers_and_says_so_once(tmp_path: Path) -> None:
    async def run() -> None:
        recorder = recorder_of(Scripted(), tmp_path / "missing" / "log.sqlite")
        for number, num_notices in ((1, 1), (2, 0)):
            events = await listen(recorder, prompt("hello", number))
            assert sum(isinstance(event, Notice) for event in events) == num_notices
            assert isinstance(events[-1], Done) and events[-1].outcome.exchange_id is None
        await recorder.close()

    asyncio.run(run())


def test_an_exchange_that_could_not_be_begun_is_saved_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "LOCK_WAIT_S", 0.1)
    path = tmp_path / "log.sqlite"
    LogStore(path).close()

    async def run() -> None:
        recorder = recorder_of(Scripted(), path)
        other = sqlite3.connect(path, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        events = recorder.answer(prompt("hello"))
        assert isinstance(await anext(events), AnswerDelta)
        await asyncio.sleep(0.4)
        other.rollback()
        found = [event async for event in events]
        assert isinstance(found[-1], Done) and found[-1].outcome.exchange_id == "exchange1"
        # What has been well meanwhile is told again when it fails again.
        for number in (2, 3):
            other.execute("BEGIN IMMEDIATE")
            texts = [
                e.text for e in await listen(recorder, prompt("x", number)) if isinstance(e, Notice)
            ]
            assert len(texts) == 1 and "not saved" in texts[0]
            other.rollback()
            await listen(recorder, prompt("y", number + 10))
        await recorder.close()

    asyncio.run(run())
    shown = LogReader(path).exchanges(CHAT)
    assert [e.prompt for e in shown] == ["hello", "y", "y"]


def test_a_conversation_removed_during_an_answer_gives_a_notice_and_others_go_on(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        recorder = recorder_of(Scripted(), tmp_path / "log.sqlite")
        events = recorder.answer(prompt("hello"))
        await anext(events)
        assert await recorder.change(LogChange(what="remove", id=CHAT)) == 1
        found = [event async for event in events]
        assert any(isinstance(e, Notice) and "removed" in e.text for e in found)
        assert isinstance(found[-1], Done) and found[-1].outcome.exchange_id is None
        events = await listen(recorder, prompt("again", 2))
        assert not any(isinstance(event, Notice) for event in events)
        await recorder.close()

    asyncio.run(run())


def test_a_removed_conversation_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"

    async def run() -> None:
        recorder = recorder_of(Scripted(), path)
        await listen(recorder, prompt("xylophonesecret"))
        await recorder.change(LogChange(what="remove", id=CHAT))
        await recorder.close()

    asyncio.run(run())
    for file in tmp_path.iterdir():
        assert b"xylophonesecret" not in file.read_bytes()
