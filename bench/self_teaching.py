"""What teaching itself is worth to a person who begins with nothing.

    python bench/self_teaching.py --real FOLDER [--num 200] [--burst 10] [--break-s 40]

A fresh home gets the cascade, which is let teach itself. Prompts that no lesson has are asked in
bursts, with breaks between them in which the lesson runs. Printed by quarter: the share of the top
tier's compute, the share of right answers, the seconds until an answer was whole, and at the end
how far the lesson came. With --real the cascade is that of the GGUFs in FOLDER, smallest first;
otherwise it is the bundled one. --prompts takes a file of graded prompts; without it they come from
the same kinds of tasks as the lesson's, drawn with another seed.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lesson_wait import fresh_home

from tierchat.cli.lesson_text import lesson_text
from tierchat.config.home import Home
from tierchat.config.teach_choice import choose_teaching
from tierchat.conversations.past import new_id
from tierchat.events import Done
from tierchat.gates.lesson_state import read_state
from tierchat.learning.outcomes.grading import grade
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts
from tierchat.learning.outcomes.sources import shipped_prompts
from tierchat.outcomes import Outcome
from tierchat.paths import Paths
from tierchat.service.client import Client
from tierchat.types import Prompt, Sampling, SaveOptions, TierOptions

IDLE_S = 2.0
MAX_ANSWER = 256
# Tasks of reasoning-gym are numbered from the seed on.
SEED = 1_000_003
NUM_QUARTERS = 4


@dataclass(frozen=True)
class Asked:
    """One prompt as it was answered; `is_taught` says whether a gate of the lesson was in use."""

    outcome: Outcome
    is_right: bool
    is_taught: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--num", type=int, default=200)
    parser.add_argument("--burst", type=int, default=10)
    parser.add_argument("--break-s", type=float, default=40.0)
    given = parser.parse_args()
    with fresh_home(given.real, IDLE_S) as (client, paths, cascade):
        choose_teaching(paths, cascade, is_wanted=True)
        prompts = choose(Home(paths, os.environ), cascade, given.prompts, given.num)
        print_table(ask_all(client, paths, cascade, prompts, given.burst, given.break_s))
        state = read_state(paths, cascade)
        print(lesson_text(state) if state else "no lesson began")


def choose(home: Home, cascade: str, file: Path | None, num: int) -> list[GradedPrompt]:
    """Draw prompts whose groups no lesson of a cascade has."""
    if file:
        found = read_prompts(file)
        random.Random(SEED).shuffle(found)
        return found[:num]
    learned = {p.group_name for p in shipped_prompts(home, cascade, 2_500, 0)}
    fresh = shipped_prompts(home, cascade, 10 * num, SEED)
    return [prompt for prompt in fresh if prompt.group_name not in learned][:num]


def ask_all(
    client: Client,
    paths: Paths,
    cascade: str,
    prompts: Sequence[GradedPrompt],
    burst: int,
    break_s: float,
) -> list[Asked]:
    asked: list[Asked] = []
    for index, prompt in enumerate(prompts):
        if index and index % burst == 0:
            time.sleep(break_s)
            state = read_state(paths, cascade)
            told = lesson_text(state) if state else "no lesson yet"
            print(f"{index} of {len(prompts)} asked; {told}", flush=True)
        asked.append(ask(client, paths, cascade, prompt))
    return asked


def ask(client: Client, paths: Paths, cascade: str, prompt: GradedPrompt) -> Asked:
    state = read_state(paths, cascade)
    is_taught = state is not None and state.is_used
    request = Prompt(
        messages=prompt.messages,
        sampling=Sampling(temperature=0, max_tokens=prompt.max_tokens or MAX_ANSWER),
        options=TierOptions(
            cascade=cascade,
            hold="judged",
            save=SaveOptions(conversation=new_id(), exchange=new_id()),
        ),
    )
    for event in client.ask(request):
        if isinstance(event, Done):
            is_right = bool(grade(prompt, event.outcome.answer))
            return Asked(event.outcome, is_right, is_taught)
    raise RuntimeError("a prompt ended without an outcome")


def print_table(asked: Sequence[Asked]) -> None:
    print("| prompts | with a gate | compute | right | answered by | median wait |")
    print("|---|---|---|---|---|---|")
    size = -(-len(asked) // NUM_QUARTERS)
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        outcomes = [each.outcome for each in part]
        share = sum(o.compute for o in outcomes) / sum(o.top_compute for o in outcomes)
        tiers = [o.tier or "no tier" for o in outcomes]
        by = ", ".join(f"{name} {tiers.count(name)}" for name in dict.fromkeys(tiers))
        wait_s = sorted(o.seconds for o in outcomes)[len(part) // 2]
        right = sum(each.is_right for each in part) / len(part)
        print(
            f"| {start + 1} to {start + len(part)} | {sum(each.is_taught for each in part)} "
            f"| {share:.2f} | {right:.2f} | {by} | {wait_s:.1f} s |"
        )


if __name__ == "__main__":
    main()
