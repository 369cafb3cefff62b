"""Workers lent over a socket: answers arrive, and a pause ends and repeats them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from tierchat.errors import EngineCrashed, ModelMissing
from tierchat.outcomes import Usage
from tierchat.types import Message
from tierchat.workers.borrowed import BorrowedModels
from tierchat.workers.complete import complete
from tierchat.workers.lending import Lender
from tierchat.workers.protocol import Delta, Finished, Generate, ModelInfo, RequestEvent

INFO = ModelInfo(
    name="m", architecture="llama", parameters=7, size_bytes=1, context=64, vocabulary_size=9
)


class Scripted:
    """Answers with the prompt itself after `delay_s`."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self.began: list[str] = []
        self.ended: list[str] = []
        self.num_now = self.most_at_once = 0

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        assert order.is_background
        text = order.messages[-1].content
        if model != "m":
            raise ModelMissing(f"no {model}", "pull it")
        if text == "bug":
            raise ZeroDivisionError
        self.began.append(text)
        self.num_now += 1
        self.most_at_once = max(self.most_at_once, self.num_now)
        try:
            await asyncio.sleep(self._delay_s)
            self.ended.append(text)
            yield Delta(id=1, answer=text)
            yield Finished(id=1, reason="stop", usage=Usage(generated_tokens=1))
        finally:
            self.num_now -= 1

    async def load(self, model: str) -> object:
        return model

    def info(self, model: str) -> ModelInfo | None:
        return INFO if model == "m" else None


def lend(
    models: Scripted, use: Callable[[Lender, BorrowedModels], Awaitable[None]], num: int = 2
) -> None:
    async def main() -> None:
        lender = Lender(models, num)
        ours, theirs = socket.socketpair()
        serving = asyncio.create_task(lender.serve(*await asyncio.open_connection(sock=ours)))
        borrowed = BorrowedModels(*await asyncio.open_connection(sock=theirs))
        try:
            await use(lender, borrowed)
        finally:
            await borrowed.close()
            await serving

    asyncio.run(asyncio.wait_for(main(), 20))


async def ask(borrowed: BorrowedModels, text: str, model: str = "m") -> str:
    order = Generate(id=0, messages=(Message(role="user", content=text),))
    return (await complete(borrowed, model, order)).answer


def test_answers_come_back_to_those_who_asked_a_few_at_a_time() -> None:
    models = Scripted(delay_s=0.01)

    async def use(lender: Lender, borrowed: BorrowedModels) -> None:
        texts = [f"prompt {number}" for number in range(9)]
        assert await asyncio.gather(*(ask(borrowed, text) for text in texts)) == texts
        assert models.most_at_once == 2
        assert 0 < lender.busy_s < 5
        await borrowed.load("m")
        assert borrowed.info("m") == INFO

    lend(models, use)


def test_a_pause_ends_what_runs_and_it_is_run_again() -> None:
    models = Scripted(delay_s=0.2)

    async def use(lender: Lender, borrowed: BorrowedModels) -> None:
        asked = asyncio.gather(*(ask(borrowed, text) for text in ("a", "b", "c")))
        await asyncio.sleep(0.1)
        lender.pause()
        await asyncio.sleep(0.3)
        assert models.num_now == 0 and not models.ended and not asked.done()
        lender.resume()
        assert await asked == ["a", "b", "c"]
        assert sorted(models.began) == ["a", "a", "b", "b", "c"]

    lend(models, use)


def test_a_held_lender_ends_what_runs_and_starts_nothing() -> None:
    models = Scripted(delay_s=0.1)

    async def use(lender: Lender, borrowed: BorrowedModels) -> None:
        asked = asyncio.gather(*(ask(borrowed, text) for text in ("a", "b", "c")))
        await asyncio.sleep(0.05)
        lender.hold(is_held=True)
        await asyncio.sleep(0.3)
        assert models.ended == ["a", "b"]
        lender.hold(is_held=False)
        assert await asked == ["a", "b", "c"]

    lend(models, use)


def test_errors_reach_the_borrower_with_their_kind() -> None:
    async def use(_lender: Lender, borrowed: BorrowedModels) -> None:
        with pytest.raises(ModelMissing, match="no x"):
            await ask(borrowed, "a", "x")
        assert await ask(borrowed, "b") == "b"

    lend(Scripted(), use)


def test_a_borrower_whose_lender_goes_is_told() -> None:
    async def use(lender: Lender, borrowed: BorrowedModels) -> None:
        asked = asyncio.create_task(ask(borrowed, "a"))
        await asyncio.sleep(0.05)
        assert lender._writer
        lender._writer.close()
        with pytest.raises(EngineCrashed, match="daemon has ended"):
            await asked
        with pytest.raises(EngineCrashed, match="daemon has ended"):
            await ask(borrowed, "b")

    lend(Scripted(delay_s=5), use)
