"""The fit of the untaught default on an outcome matrix. Does not know where the matrix is from.

Needs scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from tierchat.gates.letters import NUM_BUCKETS
from tierchat.gates.prior import LONGEST, Prior
from tierchat.learning.evaluation.untaught_policy import guessed_tokens
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.training.unread import letters_of

Floats = npt.NDArray[np.float64]
# Weaker penalties remember the prompts they were fitted on (`bench/LOG.md`).
STRENGTH = 5.0


def nothing_known(matrix: Matrix) -> Prior:
    """Return a default that expects the same of every prompt and every model."""
    nothing = bytes(2 * NUM_BUCKETS)
    return Prior(
        mean_size=float(np.log10(matrix.parameters).mean()),
        bias=0.0,
        size_weight=0.0,
        difficulty=nothing,
        slope=nothing,
        lengths=nothing,
        length_bias=1.0,
        usual_tokens=1.0,
        cost_weights=(),
    )


def fitted(matrix: Matrix, cost_weights: Sequence[tuple[float, float]] = ()) -> Prior:
    """Fit the default on all tiers of a matrix."""
    return Fitted(letters_of(matrix), matrix, range(len(matrix.tiers))).prior(cost_weights)


class Fitted:
    """One fit: probabilities of a right answer, from letters and size."""

    def __init__(self, counts: sparse.csr_matrix, matrix: Matrix, tiers: Sequence[int]) -> None:
        sizes = np.log10(matrix.parameters)
        self.mean_size = float(sizes.mean())
        parts = [self._with_size(counts, float(sizes[tier]) - self.mean_size) for tier in tiers]
        right = np.concatenate([matrix.right[:, tier] for tier in tiers])
        self._model = LogisticRegression(C=STRENGTH, max_iter=1_000)
        self._model.fit(sparse.vstack(parts), right)
        generated = matrix.generated_tokens[:, list(tiers)].mean(1)
        self._lengths = Ridge(1.0).fit(counts, generated)
        self._usual_tokens = float((guessed_tokens(matrix) + generated).mean())

    def right(self, counts: sparse.csr_matrix, parameters: Sequence[float]) -> Floats:
        """Return probabilities, shape (n, k)."""
        columns = []
        for size in parameters:
            part = self._with_size(counts, math.log10(size) - self.mean_size)
            columns.append(self._model.predict_proba(part)[:, 1])
        return np.stack(columns, -1)

    def costs(self, counts: sparse.csr_matrix, matrix: Matrix) -> Floats:
        """Return the costs of the tiers, shape (n, k)."""
        lengths = np.clip(self._lengths.predict(counts), 1.0, LONGEST)
        shares = (guessed_tokens(matrix) + lengths) / self._usual_tokens
        found: Floats = shares[:, None] * np.array(matrix.parameters) / matrix.parameters[-1]
        return found

    def prior(self, cost_weights: Sequence[tuple[float, float]]) -> Prior:
        """Return the fit as the package keeps it."""
        weights = self._model.coef_[0]
        return Prior(
            mean_size=round(self.mean_size, 6),
            bias=round(float(self._model.intercept_[0]), 6),
            size_weight=round(float(weights[-1]), 6),
            difficulty=_half(weights[:NUM_BUCKETS]),
            slope=_half(weights[NUM_BUCKETS : 2 * NUM_BUCKETS]),
            lengths=_half(self._lengths.coef_),
            length_bias=round(float(self._lengths.intercept_), 3),
            usual_tokens=round(self._usual_tokens, 3),
            cost_weights=tuple((round(q, 4), round(w, 5)) for q, w in cost_weights),
        )

    @staticmethod
    def _with_size(counts: sparse.csr_matrix, size: float) -> sparse.csr_matrix:
        column = sparse.csr_matrix(np.full((counts.shape[0], 1), size))
        return sparse.hstack([counts, counts * size, column]).tocsr()


def _half(numbers: Floats) -> bytes:
    return numbers.astype("<f2").tobytes()
