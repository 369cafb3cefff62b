"""Is `--quality 0.95` kept? 200 draws of the prompts that fix the promise and of those that judge.

    python bench/quality_promise.py -m CASCADE prompts.jsonl [more.jsonl ...]

The files are JSON lines as `tierchat train` reads. Half of the question groups teach the rows; the
other half is split again and again: one part fixes the cost weight, the other judges it. Answers
are kept in the store of TIERCHAT_HOME, so that a second run only fits.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tierchat.config.home import Home
from tierchat.learning.evaluation import policies
from tierchat.learning.evaluation.promise import PROMISE_WEIGHTS
from tierchat.learning.evaluation.promise_trial import NUM_RESAMPLES, PromiseLine, try_promises
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.work import work_of, workers
from tierchat.learning.training.fit import Fit, fit_gates, predict
from tierchat.learning.training.teaching import choose_way
from tierchat.paths import make_private

QUALITIES = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)


def promise_table(
    matrix: Matrix, fit_to: Callable[[Matrix], Fit], seed: int = 0
) -> list[PromiseLine]:
    """Teach on half of the groups of a matrix, and try every promise on the other half."""
    names, group_of = np.unique(np.asarray(matrix.groups), return_inverse=True)
    is_taught = (np.random.default_rng(seed).permutation(len(names)) % 2 == 0)[group_of]
    learned = matrix.take(np.flatnonzero(is_taught))
    held_out = matrix.take(np.flatnonzero(~is_taught))
    fit = fit_to(learned)
    # The way is chosen on the prompts that were learned from, by estimates from other folds.
    gates = choose_way(fit.gates, learned, fit.estimates)
    walks = policies.gated(held_out, predict(gates, held_out), gates, PROMISE_WEIGHTS)
    right = " ".join(f"{share:.3f}" for share in held_out.right.mean(0))
    print(f"{len(learned.rows)} prompts to learn from, {len(held_out.rows)} split in halves")
    print(f"right alone on the latter: {right}")
    return try_promises(held_out, walks, QUALITIES, seed=seed)


def show(lines: Sequence[PromiseLine]) -> None:
    """Print the table as Markdown."""
    print(f"\n| promised | below it, of {NUM_RESAMPLES} | top tier answers all | kept | compute |")
    print("|---|---|---|---|---|")
    for line in lines:
        print(
            f"| {line.quality:.2f} | {line.below:.1%} | {line.by_top:.1%} "
            f"| {line.kept:.3f} | {line.cost:.3f} |"
        )


async def matrix_of(home: Home, cascade: str, prompts: Sequence[GradedPrompt]) -> Matrix:
    """Collect the outcome matrix of a cascade; what the store has is not computed again."""
    make_private(home.paths.data_dir)
    work = work_of(home.catalogue.effective(cascade), home.catalogue, home.paths)
    async with workers(home, cascade) as pool:
        with open_store(home.paths.outcomes_file) as store:
            return await collect(work, prompts, pool, store, lambda _done, _all: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-m", "--cascade", default="pocket")
    parser.add_argument("--max-prompts", type=int, default=5_000)
    arguments = parser.parse_args()
    home = Home.of_process()
    prompts = [p for file in arguments.files for p in read_prompts(file)][: arguments.max_prompts]
    matrix = asyncio.run(matrix_of(home, arguments.cascade, prompts))
    has_token = not np.isnan(matrix.escalate_probabilities).all()
    show(promise_table(matrix, lambda learned: fit_gates(learned, has_token=has_token)))


if __name__ == "__main__":
    main()
