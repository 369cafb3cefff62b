"""Are follow-ups answered as well as by the top tier? 200 conversations under several policies.

    python bench/conversations.py -m CASCADE [--num 10] [--margins 0.5 0.8] [--quality balanced]

Policies: the top tier always; every turn from the bottom, as before; and floors, as the daemon
begins follow-ups now. The last two are walked with each gate: the untaught margin of the first
token at several thresholds, and the cascade's learned gate if it has one. Gates decide after the
prompt (decision A). Only the answers that some policy needs are run, once each, and kept in
the store of TIERCHAT_HOME, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from conversation_scripts import talks
from conversation_walks import Ask, Policy, Walk, learned_gate, margin_gate

from tierchat.config.home import Home
from tierchat.learning.outcomes.collect import run_tier
from tierchat.learning.outcomes.grading import grade_all
from tierchat.learning.outcomes.matrix import Cell
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore, open_store
from tierchat.learning.outcomes.work import Models, Work, work_of, workers
from tierchat.paths import make_private
from tierchat.terminal.output import standard_output
from tierchat.terminal.progress import Phases
from tierchat.types import QUALITIES, QualityName

_MARGINS = (0.35, 0.5, 0.65, 0.8)
_NUM_RESAMPLES = 2_000


class Answers:
    """Answers and grades what is asked, each once."""

    def __init__(self, work: Work, models: Models, store: OutcomeStore, phases: Phases) -> None:
        self._work, self._models, self._store, self._phases = work, models, store, phases
        self._known: dict[tuple[int, str], Cell] = {}

    async def of(self, asked: Sequence[Ask]) -> list[Cell]:
        for tier in range(len(self._work.tiers)):
            wanted = {p.digest: p for at, p in asked if at == tier}
            missing = [p for digest, p in wanted.items() if (tier, digest) not in self._known]
            if missing:
                await self._run(tier, missing)
        return [self._known[tier, prompt.digest] for tier, prompt in asked]

    async def _run(self, tier: int, prompts: Sequence[GradedPrompt]) -> None:
        name = self._work.tiers[tier].name
        turn = 1 + prompts[0].before.num_turns
        self._phases.begin(f"{name}, turn {turn}: {len(prompts)} answers")
        only = self._work.only(tier)
        found = await run_tier(only, prompts, self._models, self._store, self._phases.tell)
        cells = [cell for cell in found if cell is not None]
        answered = [(p, cell.answer) for p, cell in zip(prompts, cells, strict=True)]
        for (prompt, _), cell, grade in zip(
            answered, cells, await grade_all(answered, self._store), strict=True
        ):
            self._known[tier, prompt.digest] = Cell(
                is_right=bool(grade) and cell.reason in ("stop", "length"),
                answer=cell.answer,
                num_prompt_tokens=cell.num_prompt_tokens,
                num_generated_tokens=cell.num_generated_tokens,
                seconds=cell.seconds,
                probe=cell.probe,
            )


async def walk_all(walks: Sequence[tuple[Walk, GradedPrompt]], answers: Answers) -> None:
    """Walk all conversations side by side, so that what they ask runs in full batches."""
    ways = [walk.run(prompt) for walk, prompt in walks]
    waiting = [(way, next(way)) for way in ways]
    while waiting:
        got = await answers.of([ask for _, ask in waiting])
        going = []
        for (way, _), answered in zip(waiting, got, strict=True):
            try:
                going.append((way, way.send(answered)))
            except StopIteration:
                continue
        waiting = going


@dataclass(frozen=True)
class Line:
    """One row of the table; shares are relative to the top tier, intervals over conversations."""

    name: str
    first: float
    second: float
    interval: tuple[float, float]
    where_same: float
    num_same: int
    compute: float
    second_compute: float
    num_switches: float
    num_topics_at_bottom: float


def line_of(name: str, walks: Sequence[Walk], top: Sequence[Walk]) -> Line:
    """Compare the conversations of a policy with those of the top tier."""
    first, top_first = _right(walks, 0), _right(top, 0)
    second, top_second = _right(walks, 1), _right(top, 1)
    is_same = np.array(
        [a.turns[0].answer == b.turns[0].answer for a, b in zip(walks, top, strict=True)]
    )
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(walks), (_NUM_RESAMPLES, len(walks)))
    ratios = second[drawn].sum(1) / np.maximum(top_second[drawn].sum(1), 1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    later = [turn for walk in walks for turn in walk.turns[1:]]
    topics = [turn.began == 0 for turn in later if turn.kind == "topic"]
    switches = [a.tier != b.tier for w in walks for a, b in zip(w.turns, w.turns[1:], strict=False)]
    return Line(
        name,
        first.sum() / top_first.sum(),
        second.sum() / top_second.sum(),
        (float(low), float(high)),
        second[is_same].sum() / max(top_second[is_same].sum(), 1),
        int(is_same.sum()),
        _compute(walks, slice(None)) / _compute(top, slice(None)),
        _compute(walks, slice(1, 2)) / _compute(top, slice(1, 2)),
        float(np.mean(switches)),
        float(np.mean(topics)) if topics else 0.0,
    )


def _right(walks: Sequence[Walk], turn: int) -> np.ndarray:
    return np.array([walk.turns[turn].is_right for walk in walks], float)


def _compute(walks: Sequence[Walk], turns: slice) -> float:
    return sum(turn.compute for walk in walks for turn in walk.turns[turns])


def show(lines: Sequence[Line], walks: dict[str, list[Walk]]) -> None:
    """Print the table as Markdown, and the second turns of the top tier by kind."""
    print("| policy | first | second [95 %] | second where first is the same (n) | compute |"
          " of second turns | switches | topics from the bottom |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for line in lines:
        low, high = line.interval
        print(
            f"| {line.name} | {line.first:.3f} | {line.second:.3f} [{low:.3f}, {high:.3f}] "
            f"| {line.where_same:.3f} ({line.num_same}) | {line.compute:.3f} "
            f"| {line.second_compute:.3f} | {line.num_switches:.2f} "
            f"| {line.num_topics_at_bottom:.2f} |"
        )
    print("\nright second turns by kind:")
    for name, of_policy in walks.items():
        kinds: dict[str, list[bool]] = {}
        for walk in of_policy:
            kinds.setdefault(walk.turns[1].kind, []).append(walk.turns[1].is_right)
        text = ", ".join(f"{kind} {np.mean(right):.3f}" for kind, right in sorted(kinds.items()))
        print(f"{name}: {text}")


async def measure(
    home: Home,
    cascade: str,
    prompts: Sequence[GradedPrompt],
    margins: Sequence[float],
    quality: QualityName,
) -> None:
    """Walk all conversations under all policies and print what they came to."""
    make_private(home.paths.data_dir)
    work = work_of(home.catalogue.effective(cascade), home.catalogue, home.paths)
    policies = [Policy("always the top tier")]
    for margin in margins:
        gate = margin_gate(margin)
        policies.append(Policy(f"margin {margin:g}, from the bottom", gate))
        policies.append(Policy(f"margin {margin:g}, floors", gate, has_floors=True))
    if learned := learned_gate(home, cascade, quality):
        gate, knows = learned
        policies.append(Policy(f"learned {quality}, from the bottom", gate))
        policies.append(Policy(f"learned {quality}, floors", gate, has_floors=True))
        policies.append(Policy(f"learned {quality}, as it is", gate, True, knows))
    tiers = [tier.name for tier in work.tiers]
    async with workers(home, cascade) as pool:
        for tier in work.tiers:
            await pool.load(tier.model)
        infos = [pool.info(tier.model) for tier in work.tiers]
        parameters = [float(info.parameters) if info else 1.0 for info in infos]
        walks = {p.name: [Walk(p, tiers, parameters) for _ in prompts] for p in policies}
        with open_store(home.paths.outcomes_file) as store, Phases(standard_output()) as phases:
            answers = Answers(work, pool, store, phases)
            pairs = [
                (walk, prompt)
                for of_policy in walks.values()
                for walk, prompt in zip(of_policy, prompts, strict=True)
            ]
            await walk_all(pairs, answers)
    top = walks[policies[0].name]
    first, second = _right(top, 0).mean(), _right(top, 1).mean()
    print(f"{len(prompts)} conversations; all is relative to {tiers[-1]}")
    print(f"{tiers[-1]} is right at first turns {first:.3f}, at second {second:.3f}\n")
    show([line_of(name, of_policy, top) for name, of_policy in walks.items()], walks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--cascade", required=True)
    parser.add_argument("--num", type=int, default=200, help="of the conversations, mixed")
    parser.add_argument("--margins", type=float, nargs="*", default=_MARGINS)
    parser.add_argument("--quality", choices=list(QUALITIES), default="balanced")
    arguments = parser.parse_args()
    every = talks()
    # The same mix of kinds, however few are asked for.
    order = np.random.default_rng(1).permutation(len(every))[: arguments.num]
    prompts = [every[index] for index in sorted(order)]
    home, cascade = Home.of_process(), arguments.cascade
    asyncio.run(measure(home, cascade, prompts, arguments.margins, arguments.quality))


if __name__ == "__main__":
    main()
