"""What workers do to each other, and other programs to them, on a machine with few cores.

    python bench/contention.py [--real DIR] [--llama-server PATH]

Without --real the bundled pocket-s and pocket-m are measured, which use one thread each; with it
the published SmolLM2-135M and Qwen2.5-Coder 0.5B of that folder. Less than ten minutes; print it on
a machine that does nothing else.

1. One worker beside 0, 1 and 2 programs that are busy without end. `tierchat` chooses its threads
   itself. `fixed N` are workers that always use N threads, which spin as long as GNU OpenMP likes:
   the last of them is what tierchat was before. llama-server runs with all cores.
2. Two models that answer at the same time, through one pool. Each has work for about as long, by
   what it does alone; `together` is the work that is done at once in a second, where one worker
   alone does 1. llama-server: two of them.

Interleaved rounds, medians. Prompts are short and greedy, their reading is counted, and what was
found out about the machine for one answer is forgotten before the next of the same worker, so the
time to notice is counted, too. An answer that takes longer than --limit seconds is cut off.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llama_server import llama_server

from tierchat.config.catalogue import ModelSpec
from tierchat.gates.order import GateOrder
from tierchat.models.placement.hardware import num_cores
from tierchat.models.verified_files import VerifiedFiles
from tierchat.types import Message, Sampling
from tierchat.workers.cores import CoreBudget
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Delta, Finished, Generate, LoadModel, RequestEvent
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Starter
from tierchat.workers.worker import Worker

POCKET = Path(__file__).parent.parent / "tierchat" / "pocket" / "models"
# A worker as it was: it does not notice what other programs do.
FIXED_CHILD = """
import os, sys
from tierchat.engine.threads import ThreadGovernor
from tierchat.workers.child.process import main
ThreadGovernor.record = ThreadGovernor.set_limit = lambda *_: None
os._exit(main(sys.argv))
"""
SECONDS_OF_WORK = 1.5
Answer = Callable[[int], Awaitable[tuple[int, float]]]


@dataclass
class Case:
    """One way to run a model: `answer(num_tokens)` returns the tokens and the seconds."""

    name: str
    answer: Answer
    num_tokens: int = 8

    async def measure(self) -> float:
        """Answer once; returns tokens/s, and chooses the length of the next answer by it."""
        num, seconds = await self.answer(self.num_tokens)
        speed = num / seconds
        self.num_tokens = int(min(512, max(8, speed * SECONDS_OF_WORK)))
        return speed


async def drain(events: AsyncIterator[RequestEvent], limit_s: float) -> tuple[int, float]:
    """Count the tokens of an answer until it ends or the limit cuts it off."""
    began_s, num = time.perf_counter(), 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            async for event in events:
                # Pieces of text are joined only if tokens come faster than 10 ms.
                num += isinstance(event, Delta)
                if isinstance(event, Finished):
                    num = event.usage.generated_tokens
    return num, time.perf_counter() - began_s


def order(num_tokens: int) -> Generate:
    return Generate(
        id=0,
        messages=(Message(role="user", content="What is 17 + 25? Say how you found out."),),
        sampling=Sampling(temperature=0, max_tokens=num_tokens, ignore_eos=True),
        gate=GateOrder(hold_back=1),
    )


def of_worker(worker: Worker, limit_s: float) -> Answer:
    async def answer(num_tokens: int) -> tuple[int, float]:
        events = worker.generate(order(num_tokens))
        try:
            return await drain(events, limit_s)
        finally:
            await events.aclose()

    return answer


def of_pool(pool: Pool, model: str, limit_s: float) -> Answer:
    async def answer(num_tokens: int) -> tuple[int, float]:
        events = pool.generate(model, order(num_tokens))
        try:
            return await drain(events, limit_s)
        finally:
            await events.aclose()

    return answer


def of_server(url: str, limit_s: float) -> Answer:
    def ask(num_tokens: int) -> tuple[int, float]:
        text = "<|im_start|>user\nWhat is 17 + 25? Say how you found out.<|im_end|>\n"
        body = {"prompt": text, "n_predict": num_tokens, "temperature": 0, "ignore_eos": True}
        request = urllib.request.Request(
            f"{url}/completion",
            json.dumps({**body, "stream": True, "cache_prompt": False}).encode(),
            {"Content-Type": "application/json"},
        )
        began_s, num = time.perf_counter(), 0
        with contextlib.suppress(TimeoutError), urllib.request.urlopen(request) as reply:
            for line in reply:
                num += line.startswith(b"data: ") and b'"stop":false' in line
                if time.perf_counter() - began_s > limit_s:
                    break
        return num, time.perf_counter() - began_s

    return lambda num_tokens: asyncio.to_thread(ask, num_tokens)


@contextlib.asynccontextmanager
async def fixed_worker(path: Path, num_threads: int) -> AsyncIterator[Worker]:
    load = LoadModel(name="fixed", path=str(path), context=2048, num_threads=num_threads)
    # As GNU OpenMP spins where nothing is set.
    os.environ["GOMP_SPINCOUNT"] = "300000"
    try:
        worker = await Worker.start(load, command=(sys.executable, "-c", FIXED_CHILD))
    finally:
        del os.environ["GOMP_SPINCOUNT"]
    try:
        yield worker
    finally:
        await worker.stop()


@contextlib.asynccontextmanager
async def pool_of(models: dict[str, Path], folder: Path) -> AsyncIterator[Pool]:
    specs = {name: ModelSpec(file=str(path), context=2048) for name, path in models.items()}
    starter = Starter(VerifiedFiles(folder / "verified"), MachineQuirks(folder / "machine"))
    pool = Pool(specs, starter, keepalive_s=-1, cores=CoreBudget(num_cores()))
    try:
        for model in models:
            await pool.load(model)
        yield pool
    finally:
        await pool.close()


@contextlib.contextmanager
def busy_programs(num: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num)]
    time.sleep(0.5 if num else 0.0)
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


async def beside_programs(cases: list[Case], rounds: int) -> None:
    """Measure every case beside 0, 1 and 2 busy programs and print the table."""
    conditions = {"quiet": 0, "1 busy": 1, "2 busy": 2}
    speeds: dict[str, dict[str, list[float]]] = {c: {} for c in conditions}
    for number in range(rounds + 1):
        for condition, num_busy in conditions.items():
            with busy_programs(num_busy):
                for case in cases:
                    speed = await case.measure()
                    if number:
                        # The first round only finds out how long answers may be.
                        speeds[condition].setdefault(case.name, []).append(speed)
    print(
        "| beside | " + " | ".join(case.name for case in cases) + " | to best fixed | to before |"
    )
    print("|---" * (len(cases) + 3) + "|")
    for condition, found in speeds.items():
        middles = {name: statistics.median(values) for name, values in found.items()}
        best = max(speed for name, speed in middles.items() if name.startswith("fixed"))
        numbers = [
            f"{s:.1f} ({min(found[n]):.1f}..{max(found[n]):.1f})" for n, s in middles.items()
        ]
        before = [speed for name, speed in middles.items() if name.startswith("fixed")][-1]
        ratios = f"**{middles['tierchat'] / best:.2f}** | **{middles['tierchat'] / before:.2f}**"
        print(f"| {condition} | {' | '.join(numbers)} | {ratios} |", flush=True)


async def together(answers: dict[str, tuple[Answer, Answer]], rounds: int) -> None:
    """Measure two models alone and at once, for each way to run them, and print the table."""
    work: dict[str, list[float]] = {}
    alone: dict[str, list[str]] = {}
    cases_of = {name: [Case(name, answer) for answer in pair] for name, pair in answers.items()}
    for number in range(rounds + 1):
        for name, cases in cases_of.items():
            speeds = [await case.measure() for case in cases]
            began_s = time.perf_counter()
            done = await asyncio.gather(*(case.answer(case.num_tokens) for case in cases))
            seconds = time.perf_counter() - began_s
            share = sum(num / speed for (num, _), speed in zip(done, speeds, strict=True)) / seconds
            if number:
                work.setdefault(name, []).append(share)
            alone[name] = [f"{speed:.1f}" for speed in speeds]
    print("| two at once | alone, tokens/s | together | min | max |\n|---|---|---|---|---|")
    for name, shares in work.items():
        numbers = f"**{statistics.median(shares):.2f}** | {min(shares):.2f} | {max(shares):.2f}"
        print(f"| {name} | {', '.join(alone[name])} | {numbers} |", flush=True)


async def compare(small: Path, big: Path, args: argparse.Namespace) -> None:
    limit_s, cores = args.limit, num_cores()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = await stack.enter_async_context(pool_of({"small": small, "big": big}, folder))
        pairs: dict[str, list[Answer]] = {}
        for model, path in (("small", small), ("big", big)):
            cases = [Case("tierchat", of_pool(pool, model, limit_s))]
            info = pool.info(model)
            assert info
            for num_threads in dict.fromkeys((1, info.num_threads)):
                worker = await stack.enter_async_context(fixed_worker(path, num_threads))
                cases.append(Case(f"fixed {num_threads}", of_worker(worker, limit_s)))
            if args.llama_server:
                options = ("-t", str(num_cores()), "-c", "2048", "-np", "1")
                server = stack.enter_context(llama_server(args.llama_server, path, *options))
                cases.append(Case("llama-server", of_server(server.url, limit_s)))
            for case in cases:
                pairs.setdefault(case.name, []).append(case.answer)
            print(f"\n### {path.name}, {cores} cores, {args.rounds} rounds, tokens/s\n", flush=True)
            await beside_programs(cases, args.rounds)
        print(f"\n### {small.name} and {big.name} at the same time\n", flush=True)
        await together({name: (a, b) for name, (a, b) in pairs.items()}, args.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, help="the folder of the published models")
    parser.add_argument("--llama-server", help="path of llama.cpp's server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=3.0, help="seconds for one answer")
    args = parser.parse_args()
    small, big = POCKET / "pocket-s.gguf", POCKET / "pocket-m.gguf"
    if args.real:
        small = args.real / "SmolLM2-135M-Instruct.Q4_1.gguf"
        big = args.real / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    asyncio.run(compare(small, big, args))


if __name__ == "__main__":
    main()
