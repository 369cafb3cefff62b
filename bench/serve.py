"""Requests a second and time to first token of the endpoint, beside llama-server, many clients.

    python bench/serve.py --llama-server PATH [GGUF ...] [--clients 1 8 32 64] [--rounds 5]
    python bench/serve.py --leak 30

Measured are the bundled pocket-m, as the pinned tier `pocket/M`, and the files that are named, such
as the published Qwen2.5-Coder 0.5B. Each server has the same file, number of threads and KV cache;
llama-server has as many slots as there are clients (at most 512 tokens each), tierchat is as it
comes. A round is a burst: all clients begin at once, and each asks --requests questions one after
another, streamed over HTTP, the likeliest tokens, at most --tokens. The servers take turns within a
round and are asked the same, which they have never seen before. `first` is the time from sending
a request to the first text of its answer; `CPU` is the processor time of the server, which tells
something on a machine with other work, too. Cells are medians over the rounds (least..most). The
last rows of pocket ask the whole cascade, which has no peer.

--leak runs `bench/serve_leak.py` instead: whether memory and descriptors stay as they are under
clients that leave in mid-stream and send nonsense.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import random
import re
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from llama_server import llama_server
from parity import KINDS
from serve_daemon import POCKET, Daemon, Place, one_tier_home, pocket_home, serving

from tierchat.engine.limits import MIN_HEAD_SIZE_FOR_F16
from tierchat.models.gguf.header import read_header
from tierchat.models.placement.footprint import shape_of_header

SLOT_TOKENS = 512
TIMEOUT_S = 600.0
_TEXT = re.compile(rb'"(?:reasoning_content|content)": ?"[^"]')
_COUNT = re.compile(rb'"completion_tokens": ?(\d+)')
Question = Callable[[random.Random], str]


class NoAnswer(Exception):
    """A server did not answer a question."""


@dataclass(frozen=True)
class Answer:
    """One streamed answer: seconds to its first text and to its end, and its tokens."""

    first_s: float
    whole_s: float
    num_tokens: int


@dataclass(frozen=True)
class Burst:
    """What all clients got in one round, and how long that took."""

    answers: list[Answer]
    seconds: float
    cpu_s: float

    @property
    def requests_per_s(self) -> float:
        return len(self.answers) / self.seconds

    @property
    def tokens_per_s(self) -> float:
        return sum(answer.num_tokens for answer in self.answers) / self.seconds

    def first_s(self, share: float) -> float:
        """Return the time to first text that a share of the requests did not exceed."""
        waits = sorted(answer.first_s for answer in self.answers)
        return waits[math.ceil(share * len(waits)) - 1]


async def ask(client: httpx.AsyncClient, place: Place, text: str, max_tokens: int) -> Answer:
    """Ask one question; raises NoAnswer when there is no text in what comes back."""
    body = {
        "model": place.model,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        # What the publisher of a model advises is a default of tierchat alone.
        "repeat_penalty": 1.0,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    url = f"{place.url}/v1/chat/completions"
    for attempt in range(2):
        began_s, first_s, read = time.perf_counter(), math.nan, b""
        try:
            async with client.stream("POST", url, json=body) as reply:
                async for piece in reply.aiter_raw():
                    read += piece
                    if math.isnan(first_s) and _TEXT.search(read):
                        first_s = time.perf_counter() - began_s
            break
        except httpx.RemoteProtocolError as error:
            # llama-server closes a connection on which nothing comes for five seconds, as may
            # happen where other programs take the cores.
            if attempt or read:
                raise NoAnswer(f"{place.name}: {error}") from error
    whole_s = time.perf_counter() - began_s
    counts = _COUNT.findall(read)
    if reply.status_code != 200 or math.isnan(first_s) or not counts:
        raise NoAnswer(f"{place.name}: {reply.status_code} {read[-400:]!r} to {text!r}")
    return Answer(first_s, whole_s, int(counts[-1]))


async def burst(place: Place, asked: list[list[str]], max_tokens: int) -> Burst:
    """Let as many clients as there are lists ask, each its questions one after another."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=len(asked))
    async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:

        async def one(texts: list[str]) -> list[Answer]:
            return [await ask(client, place, text, max_tokens) for text in texts]

        began_s, began_cpu_s = time.perf_counter(), place.cpu_s
        answers = await asyncio.gather(*(one(texts) for texts in asked))
        seconds, cpu_s = time.perf_counter() - began_s, place.cpu_s - began_cpu_s
    return Burst([answer for own in answers for answer in own], seconds, cpu_s)


def sum_of(chance: random.Random) -> str:
    """Return a question that pocket-m surely answers."""
    return f"What is {chance.randrange(500, 999)}{chance.choice('+-')}{chance.randrange(100, 499)}?"


def small_talk(chance: random.Random) -> str:
    """Return a question of some length that was never asked before, so that no cache has it."""
    words = " ".join(chance.choice(_WORDS) for _ in range(30))
    return f"Note {chance.randrange(10**6)}: {words}.\n\n{chance.choice(_QUESTIONS)}"


_QUESTIONS = [question for kind in KINDS.values() for question in kind]
_WORDS = " ".join(_QUESTIONS).split()


@dataclass
class Case:
    """A server under measurement, and what it did so far."""

    place: Place
    bursts: list[Burst]

    def row(self, num: int) -> str:
        """Write the row of a table."""
        cells = [
            _cell([each.requests_per_s for each in self.bursts], 2),
            _cell([each.tokens_per_s for each in self.bursts], 1),
            _cell([each.first_s(0.5) for each in self.bursts], 3),
            _cell([each.first_s(0.95) for each in self.bursts], 3),
            _cell([1000 * each.cpu_s / len(each.answers) for each in self.bursts], 0),
        ]
        return f"| {num} | {self.place.name} | {' | '.join(cells)} |"


def _cell(values: list[float], digits: int) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f}..{most:.{digits}f})"


def compare(
    places: list[Place], daemon: Daemon, model: Path, question: Question, given: argparse.Namespace
) -> None:
    """Measure one model with every number of clients and print the table."""
    kv_type = kv_type_of(model)
    print(
        f"\n{model.name}, {given.threads} threads, {kv_type} KV cache, {given.requests} requests a "
        f"client, at most {given.tokens} tokens, {given.rounds} rounds\n"
    )
    heads = "requests/s | tokens/s | first p50, s | first p95, s | CPU ms/request"
    print(f"| clients | server | {heads} |\n|---|---|---|---|---|---|---|", flush=True)
    chance = random.Random(given.seed)
    for num in given.clients:
        cases = [Case(place, []) for place in places]
        with peer(given, model, kv_type, num) as found:
            cases[1:1] = [Case(place, []) for place in found]
            for number in range(given.rounds + 1):
                asked = [[question(chance) for _ in range(given.requests)] for _ in range(num)]
                for case in cases:
                    done = asyncio.run(burst(case.place, asked, given.tokens))
                    if number:
                        # The first round only loads and warms.
                        case.bursts.append(done)
        for case in cases:
            print(case.row(num), flush=True)
    print(f"\ntierchat afterwards: {daemon.sample()}", flush=True)


@contextlib.contextmanager
def peer(given: argparse.Namespace, model: Path, kv_type: str, num: int) -> Iterator[list[Place]]:
    """Start llama-server with as many slots as clients, if its path is known."""
    if not given.llama_server:
        yield []
        return
    options = ["-t", str(given.threads), "-tb", str(given.threads), "-np", str(num), "--jinja"]
    options += ["-c", str(num * SLOT_TOKENS), "-ctk", kv_type, "-ctv", kv_type]
    with llama_server(given.llama_server, model, *options) as server:
        yield [Place("llama-server", server.url, "any", server.pid)]


def kv_type_of(model: Path) -> str:
    """Return the number format that tierchat chooses for the KV cache of a model in RAM."""
    head_size = shape_of_header(read_header(model)).head_size
    return "q8_0" if head_size < MIN_HEAD_SIZE_FOR_F16 else "f16"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--llama-server", help="path of llama.cpp's server")
    parser.add_argument("models", type=Path, nargs="*", metavar="GGUF")
    parser.add_argument("--no-pocket", action="store_true", help="measure the named files alone")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--requests", type=int, default=3, help="questions of each client")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--leak", type=float, metavar="MINUTES", help="watch memory instead")
    given = parser.parse_args()
    # Whoever ends this early, such as `timeout`, leaves no server behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.leak:
        import serve_leak

        serve_leak.run(given.leak, given.seed)
        return
    if not given.no_pocket:
        with serving(pocket_home(given.threads)) as daemon:
            places = [daemon.place("pocket/M"), daemon.place("pocket", "tierchat, all tiers")]
            compare(places, daemon, POCKET / "pocket-m.gguf", sum_of, given)
    for model in given.models:
        with serving(one_tier_home(model, given.threads)) as daemon:
            compare([daemon.place("bench")], daemon, model, small_talk, given)


if __name__ == "__main__":
    main()
