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
import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import real
import real_prompts
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from tierchat.gates import prior
from tierchat.gates.prior import NUM_BUCKETS, buckets, text_of
from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.training.fit import deal_folds

Floats = npt.NDArray[np.float64]
STRENGTH = 20.0
LADDERS = {"S, M": (1, 2), "XS, S": (0, 1), "all": (0, 1, 2)}
NUM_RESAMPLES = 300


class Fitted:
    """One fit: probabilities of a right answer, from letters and size."""

    def __init__(self, letters: sparse.csr_matrix, matrix: Matrix, tiers: Sequence[int]) -> None:
        sizes = np.log10(matrix.parameters)
        self.mean_size = float(sizes.mean())
        parts = [self._with_size(letters, float(sizes[tier]) - self.mean_size) for tier in tiers]
        right = np.concatenate([matrix.right[:, tier] for tier in tiers])
        self._model = LogisticRegression(C=STRENGTH, max_iter=1_000)
        self._model.fit(sparse.vstack(parts), right)

    def right(self, letters: sparse.csr_matrix, parameters: Sequence[float]) -> Floats:
        """Return probabilities, shape (n, k)."""
        columns = []
        for size in parameters:
            part = self._with_size(letters, math.log10(size) - self.mean_size)
            columns.append(self._model.predict_proba(part)[:, 1])
        return np.stack(columns, -1)

    def weights(self) -> tuple[Floats, Floats, float, float]:
        """Return difficulty, slope, weight of the size, and bias."""
        weights = self._model.coef_[0]
        difficulty, slope = weights[:NUM_BUCKETS], weights[NUM_BUCKETS : 2 * NUM_BUCKETS]
        return difficulty, slope, float(weights[-1]), float(self._model.intercept_[0])

    @staticmethod
    def _with_size(letters: sparse.csr_matrix, size: float) -> sparse.csr_matrix:
        column = sparse.csr_matrix(np.full((letters.shape[0], 1), size))
        return sparse.hstack([letters, letters * size, column]).tocsr()


def letters_of(matrix: Matrix) -> sparse.csr_matrix:
    """Return the hashed n-grams of every prompt, shape (n, NUM_BUCKETS)."""
    found = [buckets(text_of(prompt.messages)) for prompt in matrix.prompts]
    rows = np.repeat(np.arange(len(found)), [len(row) for row in found])
    columns = [bucket for row in found for bucket in row]
    values = [value for row in found for value in row.values()]
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(found), NUM_BUCKETS))


def held_out(matrix: Matrix, letters: sparse.csr_matrix, tiers: Sequence[int]) -> Floats:
    """Return probabilities of prompts that were held out of the fit, shape (n, k)."""
    right, folds = np.zeros(matrix.right.shape), deal_folds(matrix.groups)
    for fold in np.unique(folds):
        out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        fitted = Fitted(letters[rest], matrix.take(rest), tiers)
        right[out] = fitted.right(letters[out], matrix.parameters)
    return right


def walks(matrix: Matrix, right: Floats) -> list[policies.Walk]:
    """Ask the tier of the greatest value alone, at every cost weight."""
    costs = np.array(matrix.parameters) / matrix.parameters[-1]
    return [
        policies.pick(matrix, np.argmax(right - weight * costs, axis=1))
        for weight in policies.COST_WEIGHTS
    ]


def report(matrix: Matrix, right: Floats, name: str) -> None:
    value, low, high = policies.nhg(matrix, walks(matrix, right), NUM_RESAMPLES)
    sets = np.array([real_prompts.set_of(prompt) for prompt in matrix.prompts])
    each = []
    for one in sorted(set(sets)):
        part = np.flatnonzero(sets == one)
        each.append(
            f"{policies.nhg(matrix.take(part), walks(matrix.take(part), right[part]))[0]:.2f}"
        )
    aurocs = " ".join(f"{metrics.auroc(right[:, t], matrix.right[:, t]):.2f}" for t in range(3))
    cells = (f"{value:.3f} [{low:.3f}, {high:.3f}]", aurocs, " ".join(each))
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def cost_weights(matrix: Matrix, right: Floats) -> list[tuple[float, float]]:
    """Return (share of the top tier's quality that was kept, cost weight), held-out prompts."""
    top = matrix.right[:, -1].mean()
    return [
        (float(walk.right.mean() / top), float(weight))
        for weight, walk in zip(policies.COST_WEIGHTS, walks(matrix, right), strict=True)
    ]


def write(matrix: Matrix, letters: sparse.csr_matrix, right: Floats, path: Path) -> None:
    fitted = Fitted(letters, matrix, (0, 1, 2))
    difficulty, slope, size_weight, bias = fitted.weights()

    def text(numbers: Floats) -> str:
        return base64.b64encode(numbers.astype("<f2").tobytes()).decode()

    found = {
        "mean_size": round(fitted.mean_size, 6),
        "bias": round(bias, 6),
        "size_weight": round(size_weight, 6),
        "difficulty": text(difficulty),
        "slope": text(slope),
        "cost_weights": [(round(q, 4), round(w, 5)) for q, w in cost_weights(matrix, right)],
    }
    path.write_text(json.dumps(found) + "\n", "utf-8")
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
        right = held_out(matrix, letters, tiers)
        report(matrix, right, name)
    if given.write:
        write(matrix, letters, right, Path(prior.__file__).with_name("prior.json"))


if __name__ == "__main__":
    main()
