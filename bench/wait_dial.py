"""Is `--max-wait 5s` kept? Predicted against actual waits, and right answers with each dial.

    python bench/wait_dial.py -m CASCADE prompts.jsonl [--waits none,10s,5s,2s] [--max-prompts 40]

The file has JSON lines with graders, as `tierchat train` reads. Every prompt is asked with every
dial, in turns, so that a machine which gets busy meanwhile is busy for all of them; two prompts
before that warm the models up. Answers are greedy and whole, as in a pipe.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tierchat.cascade.cascade import Cascade
from tierchat.cli.ask.sampling_options import parse_wait
from tierchat.config.home import Home
from tierchat.events import Done
from tierchat.gates.lookup import GateLookup
from tierchat.learning.outcomes.grading import grade
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts
from tierchat.learning.outcomes.work import workers
from tierchat.models.verified_files import VerifiedFiles
from tierchat.outcomes import Outcome
from tierchat.types import Prompt, Sampling, TierOptions

_NUM_WARM = 2


@dataclass(frozen=True)
class Answer:
    """One answer: the wait expected when its tier took the prompt, the actual one, the grade."""

    tier: str
    expected_s: float
    seconds: float
    is_right: bool
    is_told: bool


async def ask(cascade: Cascade, prompt: GradedPrompt, options: TierOptions) -> Answer:
    asked = Prompt(
        messages=prompt.messages,
        sampling=Sampling(temperature=0, max_tokens=prompt.max_tokens),
        options=options,
    )
    outcome = await _outcome(cascade, asked)
    last = outcome.path[-1]
    before_s = sum(visit.seconds for visit in outcome.path[:-1])
    return Answer(
        tier=last.tier,
        expected_s=before_s + (last.expected_wait_s or 0.0),
        seconds=outcome.seconds,
        is_right=bool(grade(prompt, outcome.answer)),
        is_told=any("although" in notice for notice in outcome.notices),
    )


async def _outcome(cascade: Cascade, prompt: Prompt) -> Outcome:
    async for event in cascade.answer(prompt):
        if isinstance(event, Done):
            return event.outcome
    raise AssertionError("a prompt ended without an outcome")


def show(dials: dict[str, list[Answer]], tiers: Sequence[str]) -> None:
    """Print one row for each dial as Markdown."""
    print("| dial | right | mean wait | within the dial | expected within | ratio | tiers |")
    print("|---|---|---|---|---|---|---|")
    for dial, answers in dials.items():
        bound_s = float("inf") if dial == "none" else parse_wait(dial)
        within = statistics.fmean(a.seconds <= bound_s for a in answers)
        expected = statistics.fmean(a.expected_s <= bound_s for a in answers)
        ratios = sorted(a.seconds / max(a.expected_s, 1e-3) for a in answers)
        low, middle, high = (ratios[int(q * (len(ratios) - 1))] for q in (0.1, 0.5, 0.9))
        by_tier = ", ".join(f"{t} {sum(a.tier == t for a in answers)}" for t in tiers)
        print(
            f"| {dial} | {statistics.fmean(a.is_right for a in answers):.3f} "
            f"| {statistics.fmean(a.seconds for a in answers):.2f} s | {within:.0%} "
            f"| {expected:.0%} | {middle:.2f} ({low:.2f} to {high:.2f}) | {by_tier} |"
        )


async def run(home: Home, name: str, prompts: Sequence[GradedPrompt], waits: Sequence[str]) -> None:
    tiers = [tier.name for tier in home.catalogue.effective(name).tiers]
    found: dict[str, list[Answer]] = {wait: [] for wait in waits}
    lookup = GateLookup(home.paths.gates_dir, VerifiedFiles(home.paths.verified_file))
    async with workers(home, name) as pool:
        cascade = Cascade(home.catalogue, pool, name, lookup)
        for prompt in prompts[:_NUM_WARM]:
            for tier in tiers:
                await ask(cascade, prompt, TierOptions(hold="answer", tier=tier))
        for number, prompt in enumerate(prompts[_NUM_WARM:], 1):
            for wait in waits:
                max_wait_s = None if wait == "none" else parse_wait(wait)
                options = TierOptions(hold="answer", max_wait_s=max_wait_s)
                found[wait].append(await ask(cascade, prompt, options))
                print(f"{number} {wait}: {found[wait][-1]}", file=sys.stderr, flush=True)
    print(f"{len(prompts) - _NUM_WARM} prompts; ratio: actual to expected wait, 10 to 90 %\n")
    show(found, tiers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("-m", "--cascade", default="pocket")
    parser.add_argument("--waits", default="none,10s,5s,2s")
    parser.add_argument("--max-prompts", type=int, default=40)
    arguments = parser.parse_args()
    prompts = read_prompts(arguments.file)[: arguments.max_prompts]
    waits = arguments.waits.split(",")
    asyncio.run(run(Home.of_process(), arguments.cascade, prompts, waits))


if __name__ == "__main__":
    main()
