"""Fit one row: a logistic regression in a few directions of the features, calibrated.

A lesson has fewer prompts than a hidden state has numbers. The directions in which its prompts
differ most are found without looking at grades, a row is fitted in these alone, and is then
written as weights of all features. Does not know matrices, tiers or files. Needs scikit-learn.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierchat.gates.row_gate import Row

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Folds = npt.NDArray[np.intp]
RANKS = (16, 64, 256)
_STRENGTH = 0.1
_MAX_KNOTS = 64


@dataclass(frozen=True)
class Basis:
    """Directions of standardised features, by falling variance; the columns span few numbers.

    `wide`, shape (num_wide, rank), projects the hidden state and the prompt's words. The numbers
    after them, entropy and the like, are taken as they are. `directions` are the same, orthonormal.
    """

    wide: Floats
    directions: Floats

    @classmethod
    def of(cls, x: Floats, num_wide: int) -> Basis:
        """Find the directions of standardised features, shape (n, num_features)."""
        _, sizes, directions = np.linalg.svd(x[:, :num_wide], full_matrices=False)
        sizes, directions = sizes[: RANKS[-1]], directions[: RANKS[-1]]
        kept = sizes > 1e-6 * max(sizes[0], 1e-12)
        sizes, directions = sizes[kept], directions[kept]
        # Large directions count more, but by the root of what they would without whitening.
        weights = np.sqrt(len(x)) / np.sqrt(sizes * sizes[0]) if len(sizes) else sizes
        return cls((directions * weights[:, None]).T, directions.T)

    def project(self, x: Floats, rank: int) -> Floats:
        """Return features in few directions, shape (n, at most rank + the numbers after them)."""
        num_wide = len(self.wide)
        return np.hstack((x[:, :num_wide] @ self.wide[:, :rank], x[:, num_wide:]))

    def unproject(self, weights: Floats, rank: int) -> Floats:
        """Return weights of projected features, along the last axis, as weights of all."""
        rank = min(rank, self.wide.shape[1])
        wide = weights[..., :rank] @ self.wide[:, :rank].T
        return np.concatenate((wide, weights[..., rank:]), -1)


def fit_row(
    x: Floats, basis: Basis, truth: Bools, folds: Folds, judged: Bools
) -> tuple[Row, Floats]:
    """Fit a row; returns it and its probabilities of prompts that were held out of the fit.

    A row is the mean of rows fitted in few and in many directions: measured no worse than the best
    of them on the kinds of prompts that were learned, and better on others. Only the prompts that
    are `judged` count for calibration.
    """
    scores = np.zeros(len(x))
    for fold in np.unique(folds):
        out = folds == fold
        weights, bias = _mean_row(x[~out], basis, truth[~out])
        scores[out] = x[out] @ weights + bias
    return calibrated(*_mean_row(x, basis, truth), scores, truth, folds, judged)


def calibrated(
    weights: Floats, bias: float, scores: Floats, truth: Bools, folds: Folds, judged: Bools
) -> tuple[Row, Floats]:
    """Calibrate a row by `scores` that prompts had while they were held out of its fit.

    Returns the row, and the probabilities of prompts that were held out of the calibration, too.
    """
    held_out = np.zeros(len(scores))
    for fold in np.unique(folds):
        out = folds == fold
        rest = judged & ~out
        held_out[out] = np.interp(scores[out], *_calibrate(scores[rest], truth[rest]))
    return Row(weights, bias, *_calibrate(scores[judged], truth[judged])), held_out


def _mean_row(x: Floats, basis: Basis, truth: Bools) -> tuple[Floats, float]:
    found = []
    for rank in RANKS:
        weights, bias = logistic(basis.project(x, rank), truth, _STRENGTH)
        found.append(np.append(basis.unproject(weights, rank), bias))
    mean = np.mean(found, 0)
    return mean[:-1], float(mean[-1])


def logistic(x: Floats, truth: Bools, strength: float) -> tuple[Floats, float]:
    """Fit a logistic regression that holds weights small; returns them and the bias."""
    from sklearn.linear_model import LogisticRegression

    share = truth.mean()
    if share in (0.0, 1.0):
        # All examples agree: always give their answer, as sure as their number allows.
        sure = np.log((truth.sum() + 0.5) / (len(truth) - truth.sum() + 0.5))
        return np.zeros(x.shape[1]), float(sure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=50).fit(x, truth)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _calibrate(scores: Floats, truth: Bools) -> tuple[Floats, Floats]:
    """Fit a non-decreasing map from scores to probabilities; returns its (few) knots."""
    from sklearn.isotonic import IsotonicRegression

    # One made-up success and failure keep the ends of the map from claiming certainty.
    ends = np.array([scores.min() - 1e-6, scores.max() + 1e-6])
    model = IsotonicRegression(out_of_bounds="clip").fit(
        np.concatenate((scores, ends)), np.concatenate((truth.astype(float), [1.0, 0.0]))
    )
    x, y = model.X_thresholds_, model.y_thresholds_
    if len(x) > _MAX_KNOTS:
        kept = np.unique(np.linspace(0, len(x) - 1, _MAX_KNOTS).astype(int))
        x, y = x[kept], y[kept]
    return x.astype(np.float64), y.astype(np.float64)
