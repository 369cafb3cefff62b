"""What each part of the learned gate is worth, on one outcome matrix.

    python bench/gates.py --learn learn.jsonl --judge judge.jsonl

Both files are JSON lines as `tierchat train` reads;
`python -m tierchat.pocket.measure.lesson_prompts` writes the bundled models' own. No question group
may be in both. Answers are kept in the store of TIERCHAT_HOME, so that a second run only fits.
NHG is on the second file, with 95 % intervals over question groups; 0 is mixing single tiers at
random, 1 is an oracle.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tierchat.cascade.cascade import Cascade
from tierchat.config.home import Home
from tierchat.events import Done
from tierchat.gates.lookup import GateLookup
from tierchat.gates.row_gate import STAGES
from tierchat.gates.signals import features
from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.grading import grade
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import read_prompts
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.work import work_of, workers
from tierchat.learning.training.fit import Fit, deal_folds, fit_gates, fit_head, predict
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import make_private
from tierchat.types import Message, Prompt, Sampling, TierOptions
from tierchat.workers.complete import complete
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Generate

NUM_RESAMPLES = 300
SIZES = (50, 160, 500, 1_000, 2_500)


async def matrices(home: Home, learn: Path, judge: Path) -> tuple[Matrix, Matrix]:
    make_private(home.paths.data_dir)
    work = work_of(home.catalogue.cascades["pocket"], home.catalogue, home.paths)
    async with workers(home, "pocket") as pool:
        with open_store(home.paths.outcomes_file) as store:
            found = []
            for file in (learn, judge):
                prompts = read_prompts(file)
                began_s = time.monotonic()
                found.append(await collect(work, prompts, pool, store, lambda _done, _all: None))
                print(f"{file.name}: {len(prompts)} prompts, {time.monotonic() - began_s:.0f} s")
    return found[0], found[1]


def line(name: str, judged: Matrix, walks: Sequence[policies.Walk]) -> None:
    value, low, high = policies.nhg(judged, walks, NUM_RESAMPLES)
    top = float(judged.right[:, -1].mean())
    cost = metrics.cost_at(policies.points([*walks, *policies.singles(judged)]), 0.99 * top)
    print(f"| {name} | {value:.3f} [{low:.3f}, {high:.3f}] | {cost:.3f} |", flush=True)


def climbs_on_wrong(judged: Matrix, estimates: policies.Estimates) -> list[policies.Walk]:
    """Decide by "this tier is wrong" alone, one rung at a time, at every threshold."""
    from tierchat.learning.evaluation.controls.thresholds import threshold_walks

    scores = [estimates[tier, "prefill"].right[:, 0] for tier in range(len(judged.tiers) - 1)]
    return threshold_walks(judged, scores, whole_answer=False)


def blind(matrix: Matrix, *, hidden: bool, rest: bool) -> Matrix:
    """Take away hidden states, or everything read beside them, and the prompt's tokens."""
    rows = []
    for row in matrix.rows:
        cells = []
        for cell in row:
            probe = cell.probe
            changes: dict[str, object] = {"prompt_tokens": ()}
            for name in ("first", "second"):
                if hidden:
                    changes[f"{name}_hidden"] = bytes(len(getattr(probe, f"{name}_hidden")))
                if rest:
                    signals = getattr(probe, name)
                    changes[name] = type(signals)(num_prompt_tokens=signals.num_prompt_tokens)
            if rest:
                changes["logprobs"] = (0.0,) * len(probe.logprobs)
            kept = {field: getattr(probe, field) for field in probe.__struct_fields__}
            cells.append(replace(cell, probe=type(probe)(**{**kept, **changes})))
        rows.append(tuple(cells))
    return replace(matrix, rows=tuple(rows))


def ablations(learned: Matrix, judged: Matrix) -> Fit:
    print("\n| policy | NHG | cost at 99 % of the top |\n|---|---|---|")

    def fitted(a: Matrix, b: Matrix, has_token: bool) -> tuple[Fit, policies.Estimates]:
        fit = fit_gates(a, has_token=has_token)
        return fit, predict(fit.gates, b)

    fit, estimates = fitted(learned, judged, True)
    costs = fit.gates.costs
    line("token and rows, A+B+C", judged, policies.frontier(judged, estimates, costs))
    plain, rows_only = fitted(learned, judged, False)
    line("rows, A+B+C", judged, policies.frontier(judged, rows_only, costs))
    line("rows, A+B", judged, policies.frontier(judged, rows_only, costs, STAGES[:2]))
    line("rows, A", judged, policies.frontier(judged, rows_only, costs, STAGES[:1]))
    line("rows, A+B+C, climbing", judged, policies.frontier(judged, rows_only, costs, jumps=False))
    line("rows, A, label wrong, climbing", judged, climbs_on_wrong(judged, rows_only))
    for name, hidden, rest in (
        ("without the prompt's tokens", False, False),
        ("hidden state alone", False, True),
        ("entropy, margin, length alone", True, False),
    ):
        part, other = (blind(m, hidden=hidden, rest=rest) for m in (learned, judged))
        _, found = fitted(part, other, False)
        line(f"{name}, A", judged, policies.frontier(judged, found, costs, STAGES[:1]))
    del plain
    return fit


def curve(learned: Matrix, judged: Matrix) -> None:
    print("\n| prompts to learn from | NHG | cost at 99 % of the top |\n|---|---|---|")
    for size in SIZES:
        if size > len(learned.rows):
            break
        fit = fit_gates(learned.take(range(size)), has_token=True)
        estimates = predict(fit.gates, judged)
        line(str(size), judged, policies.frontier(judged, estimates, fit.gates.costs))


def transfer(learned: Matrix, judged: Matrix) -> None:
    """Judge families that nothing was learned from: every fourth family is held out in turn."""
    families = sorted(set(learned.families))
    print("\n| held-out families | NHG | cost at 99 % of the top |\n|---|---|---|")
    for part in range(4):
        out = set(families[part::4])
        kept = [i for i, f in enumerate(learned.families) if f not in out]
        asked = [i for i, f in enumerate(judged.families) if f in out]
        fit = fit_gates(learned.take(kept), has_token=True)
        other = judged.take(asked)
        walks = policies.frontier(other, predict(fit.gates, other), fit.gates.costs)
        line(", ".join(sorted(out)), other, walks)


def overhead(fit: Fit, judged: Matrix) -> None:
    print("\n| gate, tier, stage | µs a reading, median of 300 |\n|---|---|")
    for tier, name in enumerate(judged.tiers[:-1]):
        for stage in STAGES:
            times = []
            for reading in judged.readings(tier, stage)[:300]:
                began_s = time.perf_counter()
                fit.gates.verdict(tier, reading, 0.1, len(judged.tiers) - 1)
                times.append(time.perf_counter() - began_s)
            print(f"| {name}, {stage} | {1e6 * statistics.median(times):.0f} |")


async def drafts(home: Home, judge: Path, num: int) -> None:
    """Send prompts through the real cascade, with and without the rejected draft handed on."""
    lookup = GateLookup(home.paths.gates_dir, VerifiedFiles(home.paths.verified_file))
    if lookup.file("pocket") is None:
        print("\nno learned gate in TIERCHAT_HOME: drafts are not measured")
        return
    print(
        "\n| draft handed on | right | prompts with a draft | right of those |\n|---|---|---|---|"
    )
    async with workers(home, "pocket") as pool:
        cascade = Cascade(home.catalogue, pool, "pocket", lookup)
        for is_handed in (False, True):
            rights, with_draft = [], []
            for prompt in read_prompts(judge)[:num]:
                options = TierOptions(hold="answer", quality=1.0, draft=is_handed)
                message = Message(role="user", content=prompt.prompt)
                asked = Prompt(
                    messages=(message,), sampling=Sampling(temperature=0), options=options
                )
                async for event in cascade.answer(asked):
                    if isinstance(event, Done):
                        is_right = bool(grade(prompt, event.outcome.answer))
                        rights.append(is_right)
                        # A tier that wrote before going up left a draft.
                        if any(visit.generated_tokens for visit in event.outcome.path[:-1]):
                            with_draft.append(is_right)
            share = f"{np.mean(with_draft):.3f}" if with_draft else "-"
            word = "yes" if is_handed else "no"
            print(f"| {word} | {np.mean(rights):.3f} | {len(with_draft)} | {share} |", flush=True)


async def throughput(home: Home, learn: Path, num: int = 120, rounds: int = 5) -> None:
    """Answer the same prompts with everything that training reads, and plainly, side by side."""
    work = work_of(home.catalogue.cascades["pocket"], home.catalogue, home.paths)
    prompts = read_prompts(learn)[:num]
    print("\n| tier | answers/s, learning | answers/s, plain | ratio, medians |\n|---|---|---|---|")
    async with workers(home, "pocket") as pool:
        for index, tier in enumerate(work.tiers):
            one = replace(work, tiers=(tier,), identities=(work.identities[index],))
            speeds: dict[str, list[float]] = {"learning": [], "plain": []}
            for _ in range(rounds + 1):
                with (
                    tempfile.TemporaryDirectory() as folder,
                    open_store(Path(folder) / "o.sqlite") as store,
                ):
                    began_s = time.perf_counter()
                    await collect(one, prompts, pool, store, lambda _done, _all: None)
                    speeds["learning"].append(num / (time.perf_counter() - began_s))
                began_s = time.perf_counter()
                await _plainly(pool, tier.model, [p.prompt for p in prompts])
                speeds["plain"].append(num / (time.perf_counter() - began_s))
            # The first round loads the model.
            middle = {name: statistics.median(values[1:]) for name, values in speeds.items()}
            learning, plain = middle["learning"], middle["plain"]
            print(f"| {tier.name} | {learning:.0f} | {plain:.0f} | {learning / plain:.2f} |")


async def _plainly(pool: Pool, model: str, texts: Sequence[str]) -> None:
    waiting = iter(texts)

    async def take() -> None:
        for text in waiting:
            order = Generate(
                id=0,
                messages=(Message(role="user", content=text),),
                sampling=Sampling(temperature=0, max_tokens=1024),
            )
            await complete(pool, model, order)

    await asyncio.gather(*(take() for _ in range(16)))


def fit_time(learned: Matrix) -> None:
    x = np.stack([features(r, has_token=True) for r in learned.readings(0, "prefill")])
    began_s = time.perf_counter()
    fit_head(
        x, learned.num_wide(0), learned.right, learned.generated_tokens, deal_folds(learned.groups)
    )
    print(f"\nfitting one head of {x.shape[1]} features on {len(x)}: ", end="")
    print(f"{time.perf_counter() - began_s:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--learn", type=Path, required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--drafts", type=int, default=400, help="prompts sent for the drafts")
    args = parser.parse_args()
    home = Home.of_process()
    learned, judged = asyncio.run(matrices(home, args.learn, args.judge))
    shared = set(learned.groups) & set(judged.groups)
    if shared:
        raise SystemExit(f"{len(shared)} question groups are in both files")
    for tier, name in enumerate(judged.tiers):
        print(f"{name} alone: {judged.right[:, tier].mean():.3f} right, ", end="")
        print(f"cost {judged.costs()[:, tier].mean():.3f}")
    fit = ablations(learned, judged)
    curve(learned, judged)
    transfer(learned, judged)
    overhead(fit, judged)
    fit_time(learned)
    asyncio.run(throughput(home, args.learn))
    asyncio.run(drafts(home, args.judge, args.drafts))


if __name__ == "__main__":
    main()
