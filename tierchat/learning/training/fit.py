"""Fit a cascade's rows on an outcome matrix: a head for every tier and stage.

Does not know how the matrix was filled or where gates are kept. Needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tierchat.gates.prior import Prior
from tierchat.gates.row_gate import FAR, STAGES, Guess, Head, Reach, RowGates, TierCosts
from tierchat.learning.evaluation import metrics
from tierchat.learning.evaluation.policies import Estimates
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.learning.training import rows, unread
from tierchat.learning.training.near_rows import fit_near_rows
from tierchat.types import Stage

# Per prompt; chosen by leaving one prompt out at a time.
_LENGTH_STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
_LENGTH_RANK = 64
# Of prompts like those of the lesson so many are within its reach.
_REACH_RANK, _REACH = 32, 0.99
# What lies outside by rounding alone.
_LEAST_OUTSIDE = 1e-6
_NUM_FOLDS = 5


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
    prior: Prior | None = None,
) -> Fit:
    """Fit a head for every tier and stage, with a row for the tier and for each tier above.

    Where no tier `has_token`, the letters of prompts are learned, too (decision 0), with `prior` as
    the beginning, the shipped one by default. Models with an escalate token read a prompt for next
    to nothing and say more of it. `representative` marks the prompts that were drawn at random;
    only they count for calibration.
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
                    matrix.num_wide(tier),
                    matrix.right[:, tier:],
                    matrix.generated_tokens[:, tier:],
                    folds,
                    representative,
                    measures_reach=stage == "prefill" and tier < len(matrix.tiers) - 1,
                    tries_landmarks=stage == "prefill",
                )
        letters = None
        if not has_token:
            judged = _judged(matrix, representative)
            letters, estimates[0, "unread"] = unread.fit_unread(matrix, folds, judged, prior)
    gates = RowGates(matrix.tiers, costs_of(matrix), has_token, heads, unread=letters)
    return Fit(gates, estimates)


def predict(gates: RowGates, matrix: Matrix) -> Estimates:
    """Return what the gates estimate for every prompt of another matrix."""
    found = {
        (tier, stage): head.guess(matrix.features(tier, stage, has_token=gates.has_token))
        for (tier, stage), head in gates.heads.items()
    }
    if gates.unread:
        found[0, "unread"] = unread.guess(gates.unread, matrix)
    return found


def _judged(matrix: Matrix, representative: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
    return np.ones(len(matrix.rows), bool) if representative is None else representative


def fit_head(
    x: Floats,
    num_wide: int,
    truths: npt.NDArray[np.bool_],
    generated: Floats,
    folds: npt.NDArray[np.intp],
    representative: npt.NDArray[np.bool_] | None = None,
    *,
    measures_reach: bool = False,
    tries_landmarks: bool = False,
) -> tuple[Head, Guess]:
    """Fit one row for each column of `truths` and `generated`.

    The first `num_wide` features are the hidden state and the prompt's words. Returns the head, and
    its guesses of prompts that were held out of the fit. `measures_reach`: the head is to know
    prompts that are unlike these. `tries_landmarks`: rows may weigh how near prompts are
    to these, if that foretells held-out prompts better.
    """
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    scaled = np.clip((x - mean) / scale, -FAR, FAR)
    judged = np.ones(len(x), bool) if representative is None else representative
    basis = rows.Basis.of(scaled, num_wide)
    pairs = [rows.fit_row(scaled, basis, truth, folds, judged) for truth in truths.T]
    fitted, landmarks = tuple(row for row, _ in pairs), None
    held_out = np.stack([probabilities for _, probabilities in pairs], -1)
    if tries_landmarks:
        places, near_rows, near_held_out = fit_near_rows(scaled, num_wide, truths, folds, judged)
        if metrics.log_loss(near_held_out, truths) < metrics.log_loss(held_out, truths):
            landmarks, fitted, held_out = places, near_rows, near_held_out
    lengths, longest = _fit_lengths(scaled, basis, generated), generated.max(0)
    reach = _reach(scaled, num_wide, folds) if measures_reach else None
    longest = np.maximum(longest, 1.0)
    head = Head(mean, scale, fitted, lengths, longest, reach, landmarks)
    return head, replace(head.guess(x), right=held_out)


def _reach(x: Floats, num_wide: int, folds: npt.NDArray[np.intp]) -> Reach:
    """Find how far a lesson reaches, by what prompts held out of it leave outside."""

    def found(part: Floats) -> Reach:
        directions = rows.Basis.of(part, num_wide).directions
        return Reach(directions[:, :_REACH_RANK], 0.0)

    outside = np.zeros(len(x))
    for fold in np.unique(folds):
        out = folds == fold
        outside[out] = found(x[~out]).rest(x[out])
    limit, farthest = (float(np.quantile(outside, share)) for share in (_REACH, 1.0))
    least = _LEAST_OUTSIDE
    return Reach(found(x).directions, max(limit, least), max(farthest, least))


def _fit_lengths(x: Floats, basis: rows.Basis, generated: Floats) -> Floats:
    """Fit how many tokens each tier writes, shape (columns, num_features + 1)."""
    from sklearn.linear_model import RidgeCV

    strengths = len(x) * np.array(_LENGTH_STRENGTHS)
    model = RidgeCV(strengths, alpha_per_target=True).fit(basis.project(x, _LENGTH_RANK), generated)
    weights = basis.unproject(np.atleast_2d(model.coef_), _LENGTH_RANK)
    biases = np.broadcast_to(model.intercept_, len(weights))
    lengths: Floats = np.column_stack((weights, biases)).astype(np.float64)
    return lengths


def deal_folds(groups: Sequence[str], seed: int = 0) -> npt.NDArray[np.intp]:
    """Deal whole groups to folds; returns the fold of each prompt."""
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(len(names)) % _NUM_FOLDS
    folds: npt.NDArray[np.intp] = dealt[group_of]
    return folds
