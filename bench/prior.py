"""Fit the untaught default: how hard a kind of prompt is for a model of a given size.

    python bench/prior.py --home HOME --data DIR [--write]

reads the outcome matrix that `bench/real.py` filled. First the test that counts: the weights are
fitted on the answers of two tiers, S and M of one family, and tried on the whole ladder, whose
lowest tier is of another family and a fourth of the size; then on XS and S, tried with M. Prompts
are held out too, a fifth at a time. `--write` fits on all of it and writes
`tierchat/gates/prior.json`. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import real
import real_prompts
from prior_fit import Fitted, Floats, fitted
from scipy import sparse

from tierchat.gates import prior
from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.evaluation.untaught_policy import walks
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.training.fit import deal_folds
from tierchat.learning.training.unread import letters_of

LADDERS = {"S, M": (1, 2), "XS, S": (0, 1), "all": (0, 1, 2)}
NUM_RESAMPLES = 300


def held_out(
    matrix: Matrix, letters: sparse.csr_matrix, tiers: Sequence[int]
) -> tuple[Floats, Floats]:
    """Return probabilities and costs of prompts that were held out of the fit, shapes (n, k)."""
    right, costs = np.zeros(matrix.right.shape), np.zeros(matrix.right.shape)
    folds = deal_folds(matrix.groups)
    for fold in np.unique(folds):
        out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        fitted = Fitted(letters[rest], matrix.take(rest), tiers)
        right[out] = fitted.right(letters[out], matrix.parameters)
        costs[out] = fitted.costs(letters[out], matrix.take(out))
    return right, costs


def report(matrix: Matrix, right: Floats, costs: Floats, name: str) -> None:
    value, low, high = policies.nhg(matrix, walks(matrix, right, costs), NUM_RESAMPLES)
    sets = np.array([real_prompts.set_of(prompt) for prompt in matrix.prompts])
    each = []
    for one in sorted(set(sets)):
        part = np.flatnonzero(sets == one)
        those = matrix.take(part)
        nhg = policies.nhg(those, walks(those, right[part], costs[part]))[0]
        each.append(f"{nhg:.2f}")
    aurocs = " ".join(f"{metrics.auroc(right[:, t], matrix.right[:, t]):.2f}" for t in range(3))
    cells = (f"{value:.3f} [{low:.3f}, {high:.3f}]", aurocs, " ".join(each))
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def cost_weights(matrix: Matrix, right: Floats, costs: Floats) -> list[tuple[float, float]]:
    """Return (share of the top tier's quality that was kept, cost weight), held-out prompts."""
    top = matrix.right[:, -1].mean()
    return [
        (float(walk.right.mean() / top), float(weight))
        for weight, walk in zip(policies.COST_WEIGHTS, walks(matrix, right, costs), strict=True)
    ]


def write(matrix: Matrix, right: Floats, costs: Floats, path: Path) -> None:
    found = fitted(matrix, cost_weights(matrix, right, costs))
    path.write_bytes(msgspec.json.encode(found) + b"\n")
    print(f"{path}: {path.stat().st_size} bytes, fitted on {len(matrix.rows)} prompts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    matrix = asyncio.run(real.known(given.home, given.data))
    letters = letters_of(matrix)
    print(f"{len(matrix.rows)} prompts; right: {matrix.right.mean(0).round(3)}")
    sets = sorted({real_prompts.set_of(prompt) for prompt in matrix.prompts})
    print(f"| fitted on | NHG of the ladder | AUROC of right, XS S M | NHG: {', '.join(sets)} |")
    print("|---|---|---|---|")
    for name, tiers in LADDERS.items():
        right, costs = held_out(matrix, letters, tiers)
        report(matrix, right, costs, name)
    if given.write:
        write(matrix, right, costs, Path(prior.__file__).with_name("prior.json"))


if __name__ == "__main__":
    main()
