"""A whole cascade of real shapes resident together: memory, speed, escalation.

`python bench/residency.py --cascade 24gb --llama-bench PATH` writes random-weight GGUFs with the
true shapes of the cascade's models, loads all of them as planned for this machine, and prints

- memory predicted and measured, on GPUs and in RAM,
- tokens per second of prefill and decode per model, through our worker, beside llama-bench on the
  same file in the same run (medians of --runs),
- milliseconds from a prompt to the first token of the top tier when every tier below escalates.

`--models 0.6b:q4_k_m,0.6b:q8_0` takes shapes by name instead, small enough for a CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from memory import file_of, free_gpu_bytes

from tierchat.cascade.cascade import Cascade
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.config.catalogue_files import load_catalogue
from tierchat.events import AnswerDelta
from tierchat.models.placement.cascade_plans import CascadePlans
from tierchat.models.placement.hardware import has_gpu_library, look, resident_bytes
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import find_paths
from tierchat.types import Message, Prompt, Sampling, TierOptions
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Finished, Generate
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Starter

MIB = 1 << 20
# Which shape a published model has.
SHAPES = {
    "qwen3-0.6b-q8": ("0.6b", "q8_0"),
    "qwen3-0.6b-q4": ("0.6b", "q4_k_m"),
    "qwen3-1.7b-q8": ("1.7b", "q8_0"),
    "qwen3-1.7b-q4": ("1.7b-untied", "q4_k_m"),
    "qwen3-4b": ("4b", "q4_k_m"),
    "qwen3-8b": ("8b", "q4_k_m"),
    "qwen3-14b": ("14b", "q4_k_m"),
    "qwen3-32b": ("32b", "q4_k_m"),
    "qwen3-30b-a3b": ("30b-a3b", "q4_k_m"),
}
NUM_PREFILL, NUM_DECODE = 512, 128


def shapes_of(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Read which shapes to load, cheapest first."""
    if args.models:
        return [tuple(pair.split(":")) for pair in args.models.split(",")]  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as home:
        cascades = load_catalogue(find_paths({"TIERCHAT_HOME": home})).cascades
    return [SHAPES[model] for model in cascades[args.cascade].models]


def catalogue_of(files: list[Path]) -> Catalogue:
    """Make a cascade of the files; each prompt names the tier that it begins at."""
    models = {path.stem: ModelSpec(file=str(path), max_sequences=4) for path in files}
    tiers = [
        TierSpec(name=f"T{place}", model=path.stem, gate="none") for place, path in enumerate(files)
    ]
    return Catalogue(models=models, cascades={"bench": CascadeSpec(tiers=tuple(tiers))})


def off(predicted: int, measured: int) -> str:
    """Write what was measured, and how far off the prediction was."""
    return f"{measured / MIB:,.0f} MiB ({predicted / measured - 1:+.1%})"


async def load_all(pool: Pool, plans: CascadePlans, models: list[str]) -> None:
    """Load one after another, the rest staying; print predicted and measured memory."""
    print("| model | context | cache | GPU predicted | measured | RAM predicted | measured |")
    print("|---|---|---|---|---|---|---|")
    for model in models:
        plan = plans.of(model)
        assert plan
        before = free_gpu_bytes()
        worker = await pool.load(model)
        await speed(pool, model, 1)
        taken, ram = before - free_gpu_bytes(), resident_bytes(worker.pid) or 0
        predicted = sum(plan.gpu_bytes)
        gpu = (
            f"{predicted / MIB:,.0f} MiB | {taken / MIB:,.0f} MiB ({predicted / taken - 1:+.1%})"
            if taken > 0
            else "- | -"
        )
        print(
            f"| {model} | {plan.setting.context:,} | {plan.setting.kv_type} | {gpu} | "
            f"{plan.ram_bytes / MIB:,.0f} MiB | {off(plan.ram_bytes, ram)} |",
            flush=True,
        )


async def speed(pool: Pool, model: str, num_runs: int) -> tuple[float, float]:
    """Return tokens per second of prefill and decode through the worker, medians."""
    prefills, decodes = [], []
    for run in range(num_runs):
        # Another beginning each time, so that nothing is in the cache.
        text = f"{run} " + " ".join(["word"] * (NUM_PREFILL // 4))
        num_prompt, first_s = await timed(pool, model, text, 1)
        _, all_s = await timed(pool, model, text, 1 + NUM_DECODE)
        # The second time all but the last prompt token is cached: one more step, no prefill.
        prefills.append(num_prompt / first_s)
        decodes.append((1 + NUM_DECODE) / all_s)
    return statistics.median(prefills), statistics.median(decodes)


async def timed(pool: Pool, model: str, text: str, num_tokens: int) -> tuple[int, float]:
    """Run one request; returns the prompt tokens computed, and seconds."""
    order = Generate(
        id=0,
        messages=(Message(role="user", content=text),),
        sampling=Sampling(temperature=0, max_tokens=num_tokens, ignore_eos=True),
    )
    began_s = time.monotonic()
    computed = 0
    async for event in pool.generate(model, order):
        if isinstance(event, Finished):
            computed = event.usage.prompt_tokens - event.usage.cached_tokens
    return computed, time.monotonic() - began_s


def peer(binary: str, path: Path, num_runs: int) -> tuple[float, float]:
    """Ask llama-bench for the same two numbers."""
    command = [binary, "-m", str(path), "-p", str(NUM_PREFILL), "-n", str(NUM_DECODE)]
    command += ["-r", str(num_runs), "-o", "json", "-lm", "none"]
    command += ["-ngl", "99", "-fa", "on"] if has_gpu_library() else []
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    rates = {bool(row["n_gen"]): statistics.median(row["samples_ts"]) for row in found}
    return rates[False], rates[True]


async def first_token(cascade: Cascade, tier: str) -> float:
    """Return milliseconds to the first shown token of a tier."""
    prompt = Prompt(
        messages=(Message(role="user", content="What is 17*24? Answer at once."),),
        sampling=Sampling(temperature=0, max_tokens=16, ignore_eos=True),
        options=TierOptions(tier=tier),
    )
    began_s = time.monotonic()
    events: AsyncGenerator[object, None] = cascade.answer(prompt)
    async for event in events:
        if isinstance(event, AnswerDelta):
            found = 1000 * (time.monotonic() - began_s)
            await events.aclose()
            return found
    return float("nan")


async def run(args: argparse.Namespace) -> None:
    files = [file_of(args.cache, shape, kind) for shape, kind in shapes_of(args)]
    catalogue = catalogue_of(files)
    models = [path.stem for path in files]
    machine = look()
    gpus = ", ".join(gpu.description for gpu in machine.gpus) or "no GPU"
    print(f"machine: {gpus}; {platform.machine()}, {machine.num_cores} cores\n")
    plans = CascadePlans(catalogue, "bench", lambda: machine)
    with tempfile.TemporaryDirectory() as home:
        state = Path(home)
        starter = Starter(VerifiedFiles(state / "v.json"), MachineQuirks(state / "m.json"))
        pool = Pool(catalogue.models, starter, keepalive_s=-1, plans=plans)
        cascade = Cascade(catalogue, pool, "bench")
        try:
            await load_all(pool, plans, models)
            ours = {model: await speed(pool, model, args.runs) for model in models}
            rounds = [
                [await first_token(cascade, f"T{place}") for place in range(len(files))]
                for _ in range(args.runs)
            ]
        finally:
            await pool.close()
    print("\n| model | prefill t/s | llama-bench | ratio | decode t/s | llama-bench | ratio |")
    print("|---|---|---|---|---|---|---|")
    for path in files:
        prefill, decode = ours[path.stem]
        line = f"| {path.stem} | {prefill:,.0f} | "
        if args.llama_bench:
            theirs = peer(args.llama_bench, path, args.runs)
            line += f"{theirs[0]:,.0f} | {prefill / theirs[0]:.2f} | {decode:,.1f} | "
            line += f"{theirs[1]:,.1f} | {decode / theirs[1]:.2f} |"
        else:
            line += f"- | - | {decode:,.1f} | - | - |"
        print(line, flush=True)
    whole = statistics.median(sum(times) for times in rounds)
    top = statistics.median(times[-1] for times in rounds)
    print(
        f"\nfirst token of the top tier: {whole:.0f} ms with each tier read in turn, {top:.0f} ms "
        f"asked alone: passing a prompt all the way up costs {whole - top:.0f} ms at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cascade", default="24gb")
    parser.add_argument("--models", help="SHAPE:KIND,... instead of a cascade")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/tierchat-shapes"))
    parser.add_argument("--llama-bench", help="path of the binary")
    parser.add_argument("--runs", type=int, default=5)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
