"""Fit the rows of one reading on how near prompts are to landmarks: prompts of the lesson itself.

A logistic regression with a Gaussian kernel (Nyström features, where a lesson has more prompts than
landmarks), calibrated like the rows of `rows.py`. Does not know matrices, tiers or files. Needs
scikit-learn.
"""

from __future__ import annotations

import numpy as np

from tierchat.gates.landmarks import Landmarks
from tierchat.gates.row_gate import Row
from tierchat.learning.training.rows import Bools, Floats, Folds, calibrated, logistic

_RANK, _MAX_LANDMARKS = 128, 512
_STRENGTH = 1.0
# Directions of landmarks below this share of the largest hold rounding errors.
_LEAST_SIZE = 1e-6


def fit_near_rows(
    x: Floats, num_wide: int, truths: Bools, folds: Folds, judged: Bools
) -> tuple[Landmarks, tuple[Row, ...], Floats]:
    """Fit a row for each column of `truths` on standardised features `x`.

    Returns the landmarks, the rows, and their probabilities of prompts that were held out of the
    fit. Only the prompts that are `judged` count for calibration.
    """
    landmarks = _landmarks(x, num_wide)
    near = landmarks.near(x)
    back = _whitening(landmarks)
    fitted = [_fit_row(near, back, truth, folds, judged) for truth in truths.T]
    return landmarks, tuple(row for row, _ in fitted), np.stack([p for _, p in fitted], -1)


def _landmarks(x: Floats, num_wide: int) -> Landmarks:
    """Take prompts at random as landmarks, in the directions in which all differ most."""
    wide = x[:, :num_wide]
    _, _, directions = np.linalg.svd(wide, full_matrices=False)
    directions = directions[:_RANK].T
    places = wide @ directions
    chosen = np.random.default_rng(0).permutation(len(x))[:_MAX_LANDMARKS]
    squares = ((places**2).sum(1)[:, None] + (places**2).sum(1)) - 2 * places @ places.T
    width = max(float(np.median(squares)), 1e-6)
    return Landmarks(directions, places[chosen], width)


def _whitening(landmarks: Landmarks) -> Floats:
    """Return what makes features of nearness whose inner products are the nearness of prompts."""
    places = landmarks.places
    squares = ((places**2).sum(1)[:, None] + (places**2).sum(1)) - 2 * places @ places.T
    sizes, vectors = np.linalg.eigh(np.exp(-np.maximum(squares, 0.0) / landmarks.width))
    kept = sizes > _LEAST_SIZE * sizes[-1]
    found: Floats = vectors[:, kept] / np.sqrt(sizes[kept])
    return found


def _fit_row(
    near: Floats, back: Floats, truth: Bools, folds: Folds, judged: Bools
) -> tuple[Row, Floats]:
    x = near @ back
    scores = np.zeros(len(x))
    for fold in np.unique(folds):
        out = folds == fold
        weights, bias = logistic(x[~out], truth[~out], _STRENGTH)
        scores[out] = x[out] @ weights + bias
    weights, bias = logistic(x, truth, _STRENGTH)
    return calibrated(back @ weights, bias, scores, truth, folds, judged)
