"""Fit a cascade's rows on an outcome matrix: logistic regressions, calibrated by isotonic ones.

The strength of L2 regularisation comes from grouped cross-validation. Does not know how the matrix
was filled or where gates are kept. Needs scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierchat.gates.row_gate import FAR, STAGES, Guess, Head, Row, RowGates, TierCosts
from tierchat.learning.evaluation.policies import Estimates
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.types import Stage

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
# Per prompt; chosen by leaving one prompt out at a time.
_LENGTH_STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
_NUM_FOLDS = 5
_MAX_KNOTS = 64


@dataclass(frozen=True)
class Fit:
    """The gates, and what each row estimates for prompts that it was not fitted on."""

    gates: RowGates
    estimates: Estimates


def costs_of(matrix: Matrix) -> TierCosts:
    """Return the costs of the tiers, measured on the prompts of a matrix."""
    return TierCosts(matrix.parameters, matrix.unit())


def fit_gates(
    matrix: Matrix,
    *,
    has_token: bool,
    stages: Sequence[Stage] = STAGES,
    representative: npt.NDArray[np.bool_] | None = None,
) -> Fit:
    """Fit a head for every tier and stage, with a row for the tier and for each tier above.

    `representative` marks the prompts that were drawn at random; only they count for calibration.
    """
    from threadpoolctl import threadpool_limits

    heads: dict[tuple[int, Stage], Head] = {}
    estimates: dict[tuple[int, Stage], Guess] = {}
    folds = deal_folds(matrix.groups)
    # The systems are small: several threads would wait for each other longer than they compute.
    with threadpool_limits(1):
        for tier in range(len(matrix.tiers)):
            for stage in stages:
                x = matrix.features(tier, stage, has_token=has_token)
                heads[tier, stage], estimates[tier, stage] = fit_head(
                    x,
                    matrix.right[:, tier:],
                    matrix.generated_tokens[:, tier:],
                    folds,
                    representative,
                )
    return Fit(RowGates(matrix.tiers, costs_of(matrix), has_token, heads), estimates)


def predict(gates: RowGates, matrix: Matrix) -> Estimates:
    """Return what the gates estimate for every prompt of another matrix."""
    return {
        (tier, stage): head.guess(matrix.features(tier, stage, has_token=gates.has_token))
        for (tier, stage), head in gates.heads.items()
    }


def fit_head(
    x: Floats,
    truths: npt.NDArray[np.bool_],
    generated: Floats,
    folds: npt.NDArray[np.intp],
    representative: npt.NDArray[np.bool_] | None = None,
) -> tuple[Head, Guess]:
    """Fit one row for each column of `truths` and `generated`.

    Returns the head, and its guesses of prompts that were held out of the fit.
    """
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    scaled = np.clip((x - mean) / scale, -FAR, FAR)
    judged = np.ones(len(x), bool) if representative is None else representative
    strength = 0.0
    rows, columns = [], []
    for column in range(truths.shape[1]):
        truth = truths[:, column]
        # The strength that suits a tier's own row suits its neighbours, so it is chosen once.
        strength = strength or _best_strength(scaled, truth, folds)
        row, held_out = _fit_row(scaled, truth, folds, strength, judged)
        rows.append(row)
        columns.append(held_out)
    lengths, longest = _fit_lengths(scaled, generated), generated.max(0)
    head = Head(mean, scale, tuple(rows), lengths, np.maximum(longest, 1.0))
    return head, Guess(np.stack(columns, -1), head.guess(x).generated)


def _fit_lengths(x: Floats, generated: Floats) -> Floats:
    """Fit how many tokens each tier writes, shape (columns, num_features + 1)."""
    from sklearn.linear_model import RidgeCV

    strengths = len(x) * np.array(_LENGTH_STRENGTHS)
    model = RidgeCV(strengths, alpha_per_target=True).fit(x, generated)
    weights = np.atleast_2d(model.coef_)
    biases = np.broadcast_to(model.intercept_, len(weights))
    lengths: Floats = np.column_stack((weights, biases)).astype(np.float64)
    return lengths


def deal_folds(groups: Sequence[str], seed: int = 0) -> npt.NDArray[np.intp]:
    """Deal whole groups to folds; returns the fold of each prompt."""
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(len(names)) % _NUM_FOLDS
    folds: npt.NDArray[np.intp] = dealt[group_of]
    return folds


def _best_strength(x: Floats, truth: npt.NDArray[np.bool_], folds: npt.NDArray[np.intp]) -> float:
    if truth.all() or not truth.any():
        return STRENGTHS[0]
    losses = []
    for strength in STRENGTHS:
        scores = _held_out_scores(x, truth, folds, strength)
        losses.append(float(np.mean(np.logaddexp(0, np.where(truth, -scores, scores)))))
    return STRENGTHS[int(np.argmin(losses))]


def _held_out_scores(
    x: Floats, truth: npt.NDArray[np.bool_], folds: npt.NDArray[np.intp], strength: float
) -> Floats:
    scores = np.zeros(len(x))
    for fold in np.unique(folds):
        out = folds == fold
        weights, bias = _logistic(x[~out], truth[~out], strength)
        scores[out] = x[out] @ weights + bias
    return scores


def _logistic(x: Floats, truth: npt.NDArray[np.bool_], strength: float) -> tuple[Floats, float]:
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


def _fit_row(
    x: Floats,
    truth: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.intp],
    strength: float,
    judged: npt.NDArray[np.bool_],
) -> tuple[Row, Floats]:
    scores = _held_out_scores(x, truth, folds, strength)
    weights, bias = _logistic(x, truth, strength)
    knots, probabilities = _calibrate(scores[judged], truth[judged])
    held_out = np.zeros(len(x))
    for fold in np.unique(folds):
        out = folds == fold
        rest = judged & ~out
        held_out[out] = np.interp(scores[out], *_calibrate(scores[rest], truth[rest]))
    return Row(weights, bias, knots, probabilities), held_out


def _calibrate(scores: Floats, truth: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
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
