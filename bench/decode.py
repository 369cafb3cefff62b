"""Decode speed of tierchat's engine against llama.cpp's own tools, side by side in one run.

    python bench/decode.py --llama-bench PATH --llama-server PATH MODEL.gguf...

Interleaved rounds, medians; the same threads, greedy sampling, end of sequence ignored, f16 KV
cache unless named, flash attention as each tool chooses by itself. Prompts are 16 tokens, answers
--tokens. Where tierchat would choose another KV cache (Q8_0 for heads of 32), llama-server runs
with its own default and, as a case of its own, with that type too.

- llama-bench: `tg` tokens/s, one sequence.
- engine: `Engine.step()` with signals off once the answer is let go (as in a worker), 1, 8 and 32
  sequences. Only decode steps count, prefill is left out.
- llama-server: N requests to /completion at once on N slots; predicted tokens over the wall time
  of the whole burst, HTTP and prefill of 16 tokens included. `worker` is the same measure of a
  tierchat worker process, socket and frames included: the fair pair.

`bench/llama_server.py` says where llama.cpp's tools come from; llama-bench is built likewise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from llama_server import llama_server

from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.sequence import Sequence
from tierchat.types import Message, Sampling
from tierchat.workers.child.held_model import kv_type_of
from tierchat.workers.protocol import Finished, Generate, LoadModel
from tierchat.workers.worker import Worker

PROMPT_TOKENS = 16


class EngineCase:
    """One loaded model, stepped in this process."""

    def __init__(self, path: Path, threads: int, num: int, num_tokens: int, log: LlamaLog) -> None:
        self._model = LlamaModel(path, log)
        self._num, self._num_tokens, self._next = num, num_tokens, 0
        self.kv_type = kv_type_of(self._model, is_offloaded=False)
        context = PROMPT_TOKENS + num_tokens + 2
        self._engine = Engine(
            self._model,
            EngineLimits(context, context * num, 512, num, threads, kv_type=self.kv_type),
        )
        self._banned = self._model.control_tokens

    def __call__(self) -> float:
        sequences = []
        for number in range(self._num):
            self._next += 1
            tokens = [(7 * self._next + 31 * number + i) % 200 + 20 for i in range(PROMPT_TOKENS)]
            sequence = Sequence(
                self._next, tokens, Sampling(temperature=0), self._banned, reads_signals=False
            )
            sequences.append(sequence)
            self._engine.add(sequence)
        while any(sequence.num_generated == 0 for sequence in sequences):
            self._engine.step()
        began_s, num = time.perf_counter(), 0
        for _ in range(self._num_tokens - 1):
            num += len(self._engine.step())
        took_s = time.perf_counter() - began_s
        for sequence in sequences:
            self._engine.finish(sequence)
        return num / took_s


def llama_bench(binary: str, path: Path, threads: int, num_tokens: int) -> float:
    """Run llama-bench once; returns tokens/s of its tg test."""
    command = [binary, "-m", str(path), "-p", "0", "-n", str(num_tokens), "-t", str(threads)]
    found = subprocess.run([*command, "-r", "1", "-o", "json"], capture_output=True, check=True)
    return float(json.loads(found.stdout)[0]["avg_ts"])


class ServerCase:
    """llama-server with as many slots as requests."""

    def __init__(
        self, binary: str, path: Path, threads: int, num: int, num_tokens: int, kv_type: str = "f16"
    ) -> None:
        self._num, self._num_tokens, self._round = num, num_tokens, 0
        context = (PROMPT_TOKENS + num_tokens + 2) * num
        options = ["-t", str(threads), "-np", str(num), "-c", str(context)]
        options += ["-ctk", kv_type, "-ctv", kv_type]
        self._running = contextlib.ExitStack()
        self._url = self._running.enter_context(llama_server(binary, path, *options)).url

    def _ask(self, number: int, counts: list[int]) -> None:
        prompt = [(7 * self._round + 31 * number + i) % 200 + 20 for i in range(PROMPT_TOKENS)]
        body = {
            "prompt": prompt,
            "n_predict": self._num_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
        }
        request = urllib.request.Request(
            f"{self._url}/completion",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        counts.append(json.loads(urllib.request.urlopen(request).read())["tokens_predicted"])

    def __call__(self) -> float:
        self._round += 1
        counts: list[int] = []
        began_s = time.perf_counter()
        threads = [threading.Thread(target=self._ask, args=(n, counts)) for n in range(self._num)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - began_s)

    def close(self) -> None:
        self._running.close()


class WorkerCase:
    """A tierchat worker process, asked over its socket by one event loop."""

    def __init__(self, path: Path, threads: int, num: int, num_tokens: int) -> None:
        self._num, self._num_tokens, self._round = num, num_tokens, 0
        self._loop = asyncio.new_event_loop()
        order = LoadModel(
            name="bench",
            path=str(path),
            context=PROMPT_TOKENS + num_tokens + 32,
            max_sequences=num,
            num_threads=threads,
        )
        self._worker = self._loop.run_until_complete(Worker.start(order))

    async def _ask(self, number: int) -> int:
        # Sixteen letters are about as many tokens in both vocabularies.
        text = "".join(chr(97 + (7 * self._round + 31 * number + i) % 26) for i in range(14))
        sampling = Sampling(temperature=0, max_tokens=self._num_tokens, ignore_eos=True)
        message = Message(role="user", content=text)
        order = Generate(id=0, messages=(message,), sampling=sampling)
        async for event in self._worker.generate(order):
            if isinstance(event, Finished):
                return event.usage.generated_tokens
        return 0

    async def _burst(self) -> int:
        return sum(await asyncio.gather(*(self._ask(number) for number in range(self._num))))

    def __call__(self) -> float:
        self._round += 1
        began_s = time.perf_counter()
        num = self._loop.run_until_complete(self._burst())
        return num / (time.perf_counter() - began_s)

    def close(self) -> None:
        self._loop.run_until_complete(self._worker.stop())
        self._loop.close()


def compare(path: Path, args: argparse.Namespace, log: LlamaLog) -> None:
    """Measure one model and print its table."""
    cases: dict[str, Callable[[], float]] = {
        "llama-bench, 1": lambda: llama_bench(args.llama_bench, path, args.threads, args.tokens)
    }
    closing: list[ServerCase | WorkerCase] = []
    for num in args.sequences:
        engine = EngineCase(path, args.threads, num, args.tokens, log)
        worker = WorkerCase(path, args.threads, num, args.tokens)
        cases[f"engine, {num}"], cases[f"worker, {num}"] = engine, worker
        closing.append(worker)
        for kv_type in dict.fromkeys(("f16", engine.kv_type)):
            server = ServerCase(args.llama_server, path, args.threads, num, args.tokens, kv_type)
            named = "" if kv_type == "f16" else f" {kv_type} KV"
            cases[f"llama-server{named}, {num}"] = server
            closing.append(server)
    speeds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(args.rounds + 1):
        for name, case in cases.items():
            speed = case()
            if number:
                # The first round only warms caches.
                speeds[name].append(speed)
    for case_ in closing:
        case_.close()
    middles = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"\n{path.name}, {args.threads} threads, {args.tokens} tokens, {args.rounds} rounds\n")
    print("| case, sequences | tokens/s, median | min | max | to llama-bench | to llama-server |")
    print("|---|---|---|---|---|---|")
    for name, values in speeds.items():
        peer = middles.get(f"llama-server, {name.rsplit(' ', 1)[1]}", float("nan"))
        numbers = f"{middles[name]:.1f} | {min(values):.1f} | {max(values):.1f}"
        ratio = middles[name] / middles["llama-bench, 1"]
        print(f"| {name} | {numbers} | {ratio:.2f} | {middles[name] / peer:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--llama-bench", required=True)
    parser.add_argument("--llama-server", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 8, 32])
    args, log = parser.parse_args(), LlamaLog()
    for path in args.models:
        compare(path, args, log)


if __name__ == "__main__":
    main()
