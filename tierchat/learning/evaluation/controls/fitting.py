"""The small models that controls fit: logistic regressions on vectors and on text.

Does not know tiers or matrices. Needs scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tierchat.learning.outcomes.matrix import Floats

Bools = npt.NDArray[np.bool_]


def logistic(x: Any, truth: Bools, strength: float = 1.0) -> Callable[[Any], Floats]:
    """Fit a logistic regression; returns a function from rows to probabilities.

    `x`, dense or sparse, has one row for each truth. Where all truths agree, so do predictions.
    """
    from sklearn.linear_model import LogisticRegression

    if truth.all() or not truth.any():
        return lambda others: np.full(others.shape[0], float(truth.mean()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=strength, max_iter=500).fit(x, truth)
    return lambda others: np.asarray(model.predict_proba(others)[:, 1], float)


def text_logistic(texts: Sequence[str], truths: Bools) -> Callable[[Sequence[str]], Floats]:
    """Fit one logistic regression on character n-grams for each column of `truths`.

    Returns a function from texts to probabilities, shape (n, columns).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), min_df=2, sublinear_tf=True, max_features=40_000
    )
    x = vectorizer.fit_transform(texts)
    models = [logistic(x, truths[:, column], 10.0) for column in range(truths.shape[1])]
    return lambda others: np.stack([m(vectorizer.transform(others)) for m in models], -1)


def best_strength(x: Floats, truths: Bools, folds: npt.NDArray[np.intp]) -> float:
    """Choose the strength of L2 regularisation by the log loss of held-out folds."""
    losses = {}
    for strength in (0.03, 0.3, 3.0, 30.0):
        loss = 0.0
        for fold in np.unique(folds):
            out = folds == fold
            for truth in truths.T:
                p = np.clip(logistic(x[~out], truth[~out], strength)(x[out]), 1e-6, 1 - 1e-6)
                loss -= float(np.log(np.where(truth[out], p, 1 - p)).sum())
        losses[strength] = loss
    return min(losses, key=losses.__getitem__)
