"""Long prompts are counted beside the engine's thread; real children, some with a slow counter."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tierchat.errors import ContextTooLong
from tierchat.gates.order import GateOrder
from tierchat.types import Message, Sampling
from tierchat.workers.child import long_texts
from tierchat.workers.child.held_model import HeldModel
from tierchat.workers.protocol import Delta, Failed, Finished, Generate, LoadModel, RequestEvent
from tierchat.workers.worker import Worker

# Takes every prompt over 20 characters for a long one, and counts it when the file `go` is there.
WAITS = """
import os, sys, time
from tierchat.workers.child import intake, long_texts, process

intake.SHORT_CHARS = long_texts.SHORT_CHARS = 20
fill_in = long_texts.LongTexts.fill_in

def counted(texts, tokens):
    while min(tokens) < 0 and not os.path.exists(os.environ["GO"]):
        time.sleep(0.01)
    return fill_in(texts, tokens)

long_texts.LongTexts.fill_in = counted
os._exit(process.main(sys.argv))
"""
LONG = "What is the sum of 2 and 2? 2+2"
Use = Callable[[Worker], Awaitable[None]]


def run(path: Path, use: Use, *command: str) -> None:
    async def main() -> None:
        load = LoadModel(name="pocket", path=str(path))
        worker = await (Worker.start(load, command=command) if command else Worker.start(load))
        try:
            async with asyncio.timeout(60):
                await use(worker)
        finally:
            await worker.stop()

    asyncio.run(main())


def order(text: str) -> Generate:
    return Generate(
        id=0,
        messages=(Message(role="user", content=text),),
        sampling=Sampling(temperature=0, max_tokens=8),
        gate=GateOrder(kind="none"),
    )


async def collect(worker: Worker, text: str) -> list[RequestEvent]:
    return [event async for event in worker.generate(order(text))]


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[str, str], Path]:
    script, go = tmp_path / "child.py", tmp_path / "go"
    script.write_text(WAITS)
    monkeypatch.setenv("GO", str(go))
    return (sys.executable, str(script)), go


def test_short_prompts_are_answered_while_long_ones_are_counted(
    models_dir: Path, waiting: tuple[tuple[str, str], Path]
) -> None:
    command, go = waiting

    async def use(worker: Worker) -> None:
        long = [asyncio.create_task(collect(worker, f"{LONG} + {num}")) for num in range(3)]
        await asyncio.sleep(0)
        assert isinstance((await collect(worker, "2+2"))[-1], Finished)
        assert not any(task.done() for task in long)
        go.touch()
        for task in long:
            assert isinstance((await task)[-1], Finished)

    run(models_dir / "pocket-xs.gguf", use, *command)


def test_a_prompt_that_is_cancelled_while_it_is_counted_is_forgotten(
    models_dir: Path, waiting: tuple[tuple[str, str], Path]
) -> None:
    command, go = waiting

    async def use(worker: Worker) -> None:
        long = asyncio.create_task(collect(worker, LONG))
        await asyncio.sleep(0.1)
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)
        assert isinstance((await collect(worker, "2+2"))[-1], Finished)
        go.touch()
        assert isinstance((await collect(worker, LONG))[-1], Finished)
        assert worker.num_active == 0

    run(models_dir / "pocket-xs.gguf", use, *command)


def test_eight_megabytes_are_refused_by_their_size(models_dir: Path) -> None:
    async def use(worker: Worker) -> None:
        (refused,) = await collect(worker, "What is 17 + 25? " * 470_000)
        assert isinstance(refused, Failed) and refused.code == ContextTooLong.code
        assert refused.message.startswith("the prompt has at least ")
        assert refused.usage.prompt_tokens > 100_000
        events = await collect(worker, "2+2")
        assert isinstance(events[-1], Finished)
        assert "".join(e.answer for e in events if isinstance(e, Delta))

    run(models_dir / "pocket-s.gguf", use)


@pytest.mark.parametrize("is_raw", [False, True])
def test_the_tokens_are_those_of_a_prompt_that_is_counted_at_once(
    is_raw: bool, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldModel(LoadModel(name="s", path=str(models_dir / "pocket-s.gguf")), lambda _: None)
    try:
        texts = ("Be brief.", "What is 17 + 25? <|user|>", "42", f"{LONG} Сколько будет 2+2?")
        roles = ("system", "user", "assistant", "user")
        messages = tuple(Message(role=r, content=t) for r, t in zip(roles, texts, strict=True))  # type: ignore[arg-type]
        prompt = Generate(id=1, messages=messages, is_raw=is_raw)
        at_once = held.draft(prompt)
        monkeypatch.setattr(long_texts, "SHORT_CHARS", 8)
        later = held.draft(prompt)
        assert min(at_once.prompt.tokens) >= 0 > min(later.prompt.tokens)
        assert later.count() == at_once.count() == at_once.prompt.tokens
    finally:
        held.close()


def test_what_an_assistant_said_before_may_be_dropped_and_so_does_not_count(
    models_dir: Path,
) -> None:
    held = HeldModel(LoadModel(name="s", path=str(models_dir / "pocket-s.gguf")), lambda _: None)
    try:
        words = "thought " * 10_000
        earlier = Message(role="assistant", content=f"<think>{words}</think> 4")
        question = Message(role="user", content="2+2")
        held.check_length(Generate(id=1, messages=(question, earlier, question)))
        with pytest.raises(ContextTooLong, match="at least"):
            held.check_length(Generate(id=1, messages=(Message(role="user", content=words),)))
        with pytest.raises(ContextTooLong, match="at least"):
            held.check_length(Generate(id=1, messages=(earlier,), is_raw=True))
    finally:
        held.close()
