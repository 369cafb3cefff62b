"""Damages model files and loads them: `python bench/fuzz_headers.py --mutations 9500`.

Takes the smallest bundled model, damages its header (bit flips, runs of 0xFF, random 4 or 8 bytes)
or cuts the file off (`--truncations 600`), and loads each file in a pool with a new worker. A model
that loads gets one prompt. Counts the outcomes, and fails if any case ends without a reason or ends
the parent process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tierchat
from tierchat.config.catalogue import ModelSpec
from tierchat.errors import ModelCorrupt, TierchatError
from tierchat.models.gguf.header import read_header
from tierchat.models.verified_files import VerifiedFiles
from tierchat.types import Message, Sampling
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Failed, Generate
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Starter
from tierchat.workers.worker import WorkerDied

MODEL = Path(tierchat.__file__).parent / "pocket" / "models" / "pocket-xs.gguf"
HEADER_STEP, BODY_STEP = 23, 2_003
_REASON_WIDTH = 100
OUTCOMES = (
    "refused by the header check",
    "refused by llama.cpp",
    "worker died loading",
    "loaded, refused the question",
    "loaded, worker died of the question",
    "loaded and answered",
)
BY_HEADER, BY_LLAMA, DIED_LOADING, REFUSED_QUESTION, DIED_ASKED, ANSWERED = OUTCOMES


@dataclass(frozen=True)
class Case:
    """One damaged file; its name and the seed are enough to make it again."""

    name: str
    data: bytes


@dataclass
class Counts:
    """The outcomes of the cases of one kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    deaths: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    slowest_check_s: float = 0.0


def mutations(whole: bytes, header_bytes: int, num: int, seed: int) -> Iterator[Case]:
    """Yield files with one place of their header damaged."""
    rng = random.Random(seed)
    for number in range(num):
        data = bytearray(whole)
        at = rng.randrange(header_bytes)
        kind = rng.choice(("bit", "ones", "four", "eight"))
        if kind == "bit":
            data[at] ^= 1 << rng.randrange(8)
        else:
            size = {"ones": rng.randint(1, 16), "four": 4, "eight": 8}[kind]
            size = min(size, header_bytes - at)
            data[at : at + size] = b"\xff" * size if kind == "ones" else rng.randbytes(size)
        yield Case(f"mutation {number}: {kind} at {at}", bytes(data))


def truncations(whole: bytes, header_bytes: int, num: int, seed: int) -> Iterator[Case]:
    """Yield files cut off at evenly spread offsets, then at random offsets."""
    offsets = [*range(0, header_bytes, HEADER_STEP), *range(header_bytes, len(whole), BODY_STEP)]
    if num < len(offsets):
        offsets = [offsets[index * len(offsets) // num] for index in range(num)]
    rng = random.Random(seed)
    offsets += [rng.randrange(len(whole)) for _ in range(num - len(offsets))]
    for offset in offsets:
        yield Case(f"cut off at {offset}", whole[:offset])


async def run_case(case: Case, path: Path, counts: Counts) -> None:
    """Write one file, load it, count the outcome."""
    path.write_bytes(case.data)
    refusal: str | None = None
    began_s = time.perf_counter()
    try:
        read_header(path)
    except ModelCorrupt as error:
        refusal = error.message.removeprefix(f"{path} is not a valid model: ")
    counts.slowest_check_s = max(counts.slowest_check_s, time.perf_counter() - began_s)
    outcome, reason = await load(path) if refusal is None else (BY_HEADER, refusal)
    counts.outcomes[outcome] += 1
    if not reason.strip() or "gave no reason" in reason:
        counts.unexplained.append(f"{case.name}: {outcome}: {reason}")
    if outcome in (DIED_LOADING, DIED_ASKED):
        counts.deaths.append(f"{case.name}: {outcome}: {reason}")


async def load(path: Path) -> tuple[str, str]:
    """Load a file in a child of its own and ask it; return the outcome and its reason."""
    starter = Starter(
        VerifiedFiles(path.with_suffix(".verified")),
        # A death at the first decode may switch off kernels; that must not affect the next case.
        MachineQuirks(path.with_suffix(f".{time.monotonic_ns()}")),
        num_threads=1,
    )
    pool = Pool({"case": ModelSpec(file=str(path))}, starter, keepalive_s=-1)
    question = Generate(
        id=0, messages=(Message(role="user", content="2+2"),), sampling=Sampling(max_tokens=4)
    )
    has_loaded = False
    try:
        await pool.load("case")
        has_loaded = True
        events = [event async for event in pool.generate("case", question)]
    except TierchatError as error:
        died = isinstance(error, WorkerDied) or isinstance(error.__cause__, WorkerDied)
        if died:
            return (DIED_ASKED if has_loaded else DIED_LOADING), error.message
        return (REFUSED_QUESTION if has_loaded else BY_LLAMA), error.message
    finally:
        await pool.close()
    end = events[-1]
    return (REFUSED_QUESTION, end.message) if isinstance(end, Failed) else (ANSWERED, "it answered")


async def run_all(cases: Iterator[Case], num_jobs: int, directory: Path, label: str) -> Counts:
    """Run every case, `num_jobs` at a time; each job takes the next case when it is free."""
    counts = Counts()
    done = 0

    async def job(number: int) -> None:
        nonlocal done
        for case in cases:
            await run_case(case, directory / f"{number}.gguf", counts)
            done += 1
            if done % 500 == 0:
                print(f"{label}: {done}", flush=True)

    await asyncio.gather(*(job(number) for number in range(num_jobs)))
    return counts


def report(counts: dict[str, Counts]) -> None:
    """Print the table, then every death and every case without a reason."""
    print("\n| outcome | " + " | ".join(counts) + " |\n|---|" + "---|" * len(counts))
    for outcome in OUTCOMES:
        numbers = " | ".join(str(found.outcomes[outcome]) for found in counts.values())
        print(f"| {outcome} | {numbers} |")
    for label, found in counts.items():
        print(f"\n{label}: slowest header check {1000 * found.slowest_check_s:.0f} ms")
        for line in found.deaths:
            print(f"  died: {line[: 2 * _REASON_WIDTH]}")
        for line in found.unexplained:
            print(f"  WITHOUT A REASON: {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=9_500)
    parser.add_argument("--truncations", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    whole, parent = MODEL.read_bytes(), os.getpid()
    header_bytes = read_header(MODEL).data_offset
    counts = {}
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        for label, make, num in (
            ("mutations", mutations, args.mutations),
            ("truncations", truncations, args.truncations),
        ):
            cases = make(whole, header_bytes, num, args.seed)
            counts[label] = asyncio.run(run_all(cases, args.jobs, Path(directory), label))
            assert sum(counts[label].outcomes.values()) == num
    report(counts)
    assert os.getpid() == parent
    print(f"\n{time.monotonic() - began_s:.0f} s; process {parent} has lived through all of it")
    assert not any(found.unexplained for found in counts.values()), "cases without a reason"


if __name__ == "__main__":
    main()
