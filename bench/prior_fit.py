"""The fit of the untaught default on an outcome matrix. Does not know where the matrix is from.

Needs scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from tierchat.gates.letters import NUM_BUCKETS
from tierchat.gates.prior import Prior
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.training.unread import letters_of

Floats = npt.NDArray[np.float64]
STRENGTH = 20.0


def fitted(matrix: Matrix, cost_weights: Sequence[tuple[float, float]] = ()) -> Prior:
    """Fit the default on all tiers of a matrix."""
    return Fitted(letters_of(matrix), matrix, range(len(matrix.tiers))).prior(cost_weights)


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

    def prior(self, cost_weights: Sequence[tuple[float, float]]) -> Prior:
        """Return the fit as the package keeps it."""
        weights = self._model.coef_[0]
        return Prior(
            mean_size=round(self.mean_size, 6),
            bias=round(float(self._model.intercept_[0]), 6),
            size_weight=round(float(weights[-1]), 6),
            difficulty=_half(weights[:NUM_BUCKETS]),
            slope=_half(weights[NUM_BUCKETS : 2 * NUM_BUCKETS]),
            cost_weights=tuple((round(q, 4), round(w, 5)) for q, w in cost_weights),
        )

    @staticmethod
    def _with_size(letters: sparse.csr_matrix, size: float) -> sparse.csr_matrix:
        column = sparse.csr_matrix(np.full((letters.shape[0], 1), size))
        return sparse.hstack([letters, letters * size, column]).tocsr()


def _half(numbers: Floats) -> bytes:
    return numbers.astype("<f2").tobytes()
