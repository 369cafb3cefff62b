"""Several answers to one request: their order, their errors, and what a client that leaves ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from tierchat.cascade.ledger import Ledger
from tierchat.errors import ContextTooLong
from tierchat.events import AnswerDelta, CascadeEvent, Done, Notice
from tierchat.outcomes import Usage
from tierchat.service.admission import Admission
from tierchat.service.answers import Answers, Asked
from tierchat.types import Message, Prompt


class Script:
    """Says the question, word by word; `log` tells who began, ended and was cancelled."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        text = prompt.question
        self.log.append(f"begin {text}")
        try:
            for word in text.split():
                await asyncio.sleep(0.001)
                yield AnswerDelta(text=word)
            if text == "refuse":
                raise ContextTooLong("too long")
            if text == "long":
                await asyncio.sleep(60)
            if text == "break off":
                return
        except asyncio.CancelledError:
            self.log.append(f"cancel {text}")
            raise
        ledger = Ledger(lambda _tier: 1.0, "XS")
        ledger.add("XS", "script", "stop", Usage(), is_answer=True)
        yield Done(outcome=ledger.close(text, "", "stop", 0.1))


def prompt(text: str) -> Prompt:
    return Prompt(messages=(Message(role="user", content=text),))


def asked(*texts: str, is_same: bool = False) -> Asked:
    return Asked([prompt(text) for text in texts], "client", is_same=is_same)


def answers(script: Script) -> Answers:
    return Answers(script, Admission(2, 64))


def test_every_prompt_of_a_request_gets_its_answer() -> None:
    async def main() -> None:
        found: dict[int, str] = {}
        texts = [f"the number {number}" for number in range(20)]
        async for event in answers(Script()).of(asked(*texts)):
            if isinstance(event.event, Done):
                found[event.index] = event.event.outcome.answer
        assert found == dict(enumerate(texts))

    asyncio.run(main())


def test_further_answers_to_one_prompt_begin_when_the_first_has_read_it() -> None:
    async def main() -> None:
        script, order = Script(), []
        async for found in answers(script).of(asked("a b", "c d", is_same=True)):
            order.append((found.index, len(script.log)))
        assert order[0] == (0, 1) and len(script.log) == 2

    asyncio.run(main())


def test_the_first_error_ends_all_answers() -> None:
    async def main() -> None:
        script = Script()
        with pytest.raises(ContextTooLong):
            async for _ in answers(script).of(asked("long", "refuse")):
                pass
        assert "cancel long" in script.log

    asyncio.run(main())


def test_answers_without_an_outcome_end_too() -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            request = asked("break off", "a b", "break off", is_same=True)
            found = [event async for event in answers(Script()).of(request)]
        assert [event.index for event in found if isinstance(event.event, Done)] == [1]

    asyncio.run(main())


def test_closing_ends_all_answers() -> None:
    async def main() -> None:
        script = Script()
        async with contextlib.aclosing(answers(script).of(asked("long", "long"))) as events:
            async for _ in events:
                if len(script.log) == 2:
                    break
        assert script.log.count("cancel long") == 2

    asyncio.run(main())


def test_notices_come_first_and_in_the_outcome() -> None:
    async def main() -> None:
        request = Asked([prompt("a")], "client", notices=("n was ignored",))
        events = [found.event async for found in answers(Script()).of(request)]
        assert events[0] == Notice(text="n was ignored")
        assert isinstance(events[-1], Done)
        assert events[-1].outcome.notices == ("n was ignored",)

    asyncio.run(main())
