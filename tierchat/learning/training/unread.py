"""Fit decision 0: a regression on the letters of prompts, with the untaught default as beginning.

The logit of a right answer is what the default expects of a model of that size, and a correction:
letters, letters times the model's size, and letters of each tier alone, all held small, the last
most. So that a lesson of a few hundred prompts changes the default a little and one of thousands
replaces it. Does not know rows, files or how a matrix was filled. Needs scikit-learn.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tierchat.gates import letters
from tierchat.gates.prior import Prior, shipped
from tierchat.gates.row_gate import Guess
from tierchat.gates.unread import UnreadRows, UnreadTier
from tierchat.learning.outcomes.matrix import Floats, Matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Bools = npt.NDArray[np.bool_]
_STRENGTH = 2.0
# What one tier's own weights may be, relative to those that all tiers share (`bench/LOG.md`).
_OWN = 0.3
_LENGTH_STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
# The default was fitted on sizes from a tenth to ten times its mean.
_MAX_SIZE = 1.0
_MAX_STEPS = 100
# Directions of letters below this sum of squares hold rounding errors.
_LEAST_SIZE = 1e-6


def fit_unread(
    matrix: Matrix, folds: npt.NDArray[np.intp], judged: Bools, prior: Prior | None = None
) -> tuple[UnreadRows, Guess]:
    """Fit the rows; returns them, and what they expect of prompts held out of the fit.

    Only the prompts that are `judged` count for calibration. `prior` is the untaught default; the
    one in the package unless it is given.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _fit(matrix, folds, judged, prior or shipped())


def _fit(
    matrix: Matrix, folds: npt.NDArray[np.intp], judged: Bools, prior: Prior
) -> tuple[UnreadRows, Guess]:
    x = letters_of(matrix)
    logits = np.zeros(matrix.right.shape)
    generated = np.zeros(matrix.right.shape)
    for fold in np.unique(folds):
        out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        part = _Weights.fit(x[rest], matrix.take(rest), prior)
        logits[out], generated[out] = part.logits(x[out]), part.generated(x[out])
    found = _Weights.fit(x, matrix, prior)
    scales = [_platt(logits[judged, t], right[judged]) for t, right in enumerate(matrix.right.T)]
    held_out = np.stack([_logistic(a * logits[:, t] + b) for t, (a, b) in enumerate(scales)], -1)
    tokens, num_bytes = matrix.prompt_tokens[:, 0], bytes_of(matrix)
    per_byte, template = np.polyfit(num_bytes, tokens, 1) if np.ptp(num_bytes) else (0.0, tokens[0])
    rows = UnreadRows(
        tuple(found.tier(t, *scale) for t, scale in enumerate(scales)),
        template_tokens=float(template),
        tokens_per_byte=float(per_byte),
    )
    prompt = np.maximum(1.0, template + per_byte * num_bytes)[:, None]
    return rows, Guess(held_out, generated, prompt_tokens=prompt)


def guess(rows: UnreadRows, matrix: Matrix) -> Guess:
    """Return what the rows expect of every prompt of a matrix."""
    found = [
        rows.expect(letters.text_of(prompt.messages), num)
        for prompt, num in zip(matrix.prompts, bytes_of(matrix), strict=True)
    ]
    return Guess(
        np.array([[tier.right for tier in tiers] for tiers in found]),
        np.array([[tier.generated for tier in tiers] for tiers in found]),
        prompt_tokens=np.array([[tiers[0].prompt_tokens] for tiers in found]),
    )


def letters_of(matrix: Matrix) -> csr_matrix:
    """Return the counts of every prompt's letters, shape (n, NUM_BUCKETS)."""
    from scipy.sparse import csr_matrix

    found = [_counts(letters.text_of(prompt.messages)) for prompt in matrix.prompts]
    rows = np.repeat(np.arange(len(found)), [len(columns) for columns, _ in found])
    columns, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return csr_matrix((values, (rows, columns)), shape=(len(found), letters.NUM_BUCKETS))


def bytes_of(matrix: Matrix) -> npt.NDArray[np.intp]:
    """Return how many bytes of text every prompt has, the turns before it included."""
    return np.array([letters.num_bytes(prompt.messages) for prompt in matrix.prompts], np.intp)


class _Basis:
    """The prompts' letters in as many directions as there are prompts; lengths are kept.

    A fit that holds weights small has the same solution there, and is far quicker.
    """

    def __init__(self, x: csr_matrix) -> None:
        sizes, vectors = np.linalg.eigh((x @ x.T).toarray())
        kept = sizes > _LEAST_SIZE
        self._x, self._back = x, vectors[:, kept] / np.sqrt(sizes[kept])
        self.rows: Floats = vectors[:, kept] * np.sqrt(sizes[kept])

    def letters(self, weights: Floats) -> Floats:
        """Return weights of directions, shape (k, num_directions), as weights of buckets."""
        found: Floats = (self._x.T @ (self._back @ weights.T)).T
        return found


class _Weights:
    """Weights of letters for every tier: of the logit, and of the tokens of an answer."""

    def __init__(self, right: Floats, biases: Floats, lengths: Floats, longest: Floats) -> None:
        """Shapes (k, NUM_BUCKETS), (k,), (k, NUM_BUCKETS + 1) and (k,)."""
        self._right, self._biases, self._lengths = right, biases, lengths
        self._longest = np.maximum(longest, 1.0)

    @classmethod
    def fit(cls, x: csr_matrix, matrix: Matrix, prior: Prior) -> _Weights:
        sizes = np.log10(np.maximum(matrix.parameters, 1.0)) - prior.mean_size
        sizes = np.clip(sizes, -_MAX_SIZE, _MAX_SIZE)
        weights = np.array(
            [_unpack(prior.difficulty) + size * _unpack(prior.slope) for size in sizes]
        )
        biases = prior.bias + sizes * prior.size_weight
        basis = _Basis(x)
        change, bias = _correct(basis.rows, matrix.right, sizes, (x @ weights.T) + biases)
        lengths, usual = _fit_lengths(basis.rows, matrix.generated_tokens)
        lengths = np.column_stack((basis.letters(lengths), usual))
        right = weights + basis.letters(change)
        return cls(right, biases + bias, lengths, matrix.generated_tokens.max(0))

    def logits(self, x: csr_matrix) -> Floats:
        found: Floats = x @ self._right.T + self._biases
        return found

    def generated(self, x: csr_matrix) -> Floats:
        found: Floats = x @ self._lengths[:, :-1].T + self._lengths[:, -1]
        return np.clip(found, 1.0, self._longest)

    def tier(self, tier: int, scale: float, offset: float) -> UnreadTier:
        return UnreadTier(
            right=_pack(scale * self._right[tier]),
            right_bias=float(scale * self._biases[tier] + offset),
            lengths=_pack(self._lengths[tier, :-1]),
            length_bias=float(self._lengths[tier, -1]),
            longest=float(self._longest[tier]),
        )


def _correct(x: Floats, right: Bools, sizes: Floats, offsets: Floats) -> tuple[Floats, Floats]:
    """Fit what is added to the default's logits: weights, shape (k, directions), and biases.

    Minimises the log loss and half the sum of squared weights over `_STRENGTH`; the biases are
    free but for a little, so that a tier that is always right has one.
    """
    from scipy.optimize import minimize

    num_tiers, num = right.shape[1], x.shape[1]
    signs = np.where(right, 1.0, -1.0)

    def unpack(flat: Floats) -> tuple[Floats, Floats]:
        shared, sloped = flat[:num], flat[num : 2 * num]
        own = flat[2 * num : -num_tiers].reshape(num_tiers, num)
        return shared + sizes[:, None] * sloped + _OWN * own, flat[-num_tiers:]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, biases = unpack(flat)
        margins = signs * (offsets + x @ weights.T + biases)
        slopes = -signs / (1 + np.exp(np.clip(margins, -60, 60)))
        by_tier = slopes.T @ x
        parts = (by_tier.sum(0), sizes @ by_tier, _OWN * by_tier.ravel(), slopes.sum(0))
        gradient = np.concatenate(parts)
        penalty = flat / _STRENGTH
        penalty[-num_tiers:] /= _STRENGTH
        value = np.logaddexp(0, -margins).sum() + (flat * penalty).sum() / 2
        return float(value), gradient + penalty

    start = np.zeros((2 + num_tiers) * num + num_tiers)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
    return unpack(found.x)


def _fit_lengths(x: Floats, generated: Floats) -> tuple[Floats, Floats]:
    """Fit the tokens that each tier writes: weights, shape (k, directions), and biases."""
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(_LENGTH_STRENGTHS, alpha_per_target=True).fit(x, generated)
    return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)


def _platt(logits: Floats, right: Bools) -> tuple[float, float]:
    """Return the scale and offset of Platt's calibration of held-out logits."""
    from sklearn.linear_model import LogisticRegression

    share = right.mean() if len(right) else 0.0
    if share in (0.0, 1.0):
        return 1.0, 0.0
    model = LogisticRegression(C=1.0).fit(logits[:, None], right)
    # A scale below 0 would turn what was learned around.
    scale = float(model.coef_[0, 0])
    if scale <= 0.0:
        return 0.0, float(np.log(share / (1 - share)))
    return scale, float(model.intercept_[0])


def _logistic(logits: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    return found


def _unpack(raw: bytes) -> Floats:
    return np.frombuffer(raw, "<f2").astype(np.float64)


def _pack(weights: Floats) -> bytes:
    return weights.astype("<f2").tobytes()


@functools.lru_cache(maxsize=8192)
def _counts(text: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    found = letters.buckets(text)
    return np.fromiter(found, np.int32), np.fromiter(found.values(), np.float32)
