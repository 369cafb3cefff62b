"""The policies that ours is compared with, fitted on the same prompts and replayed on the same
matrix.

Does not know files or terminals. Needs scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierchat.learning.evaluation.policies import (
    COST_WEIGHTS,
    Walk,
    alone,
    follow,
    oracle,
    pick,
    singles,
)
from tierchat.learning.outcomes.matrix import Floats, Matrix, reading_of

NUM_THRESHOLDS = 60


@dataclass(frozen=True)
class Control:
    """One policy of the literature, walked at every setting that it has."""

    name: str
    source: str
    walks: tuple[Walk, ...]


def controls(learned: Matrix, judged: Matrix, said: Sequence[Floats]) -> list[Control]:
    """Fit every control on `learned` and walk it over `judged`.

    `said` has, for each tier but the top one, the probability that the tier gives its own answers
    to `judged` of being right.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _controls(learned, judged, said)


def _controls(learned: Matrix, judged: Matrix, said: Sequence[Floats]) -> list[Control]:
    return [
        *(
            Control(f"{name} alone", "single tier", (walk,))
            for name, walk in zip(judged.tiers, singles(judged), strict=True)
        ),
        Control("random at equal rate", "the hull of single tiers", tuple(_random(judged))),
        Control("prompt-only router", "arXiv 2406.18665", tuple(_prompt_router(learned, judged))),
        Control("first-token margin", "decision A", tuple(_margin(judged))),
        Control("answer confidence", "UCCI, arXiv 2605.18796", tuple(_ucci(learned, judged))),
        Control("token quantiles", "arXiv 2404.10136", tuple(_quantiles(learned, judged))),
        Control("self-verification", "AutoMix, arXiv 2310.12963", tuple(_automix(judged, said))),
        Control("answer scorer", "FrugalGPT, arXiv 2305.05176", tuple(_scorer(learned, judged))),
        Control("oracle", "knows who is right", tuple(oracle(judged))),
    ]


def threshold_walks(
    matrix: Matrix, scores: Sequence[Floats], whole_answer: bool, *, reads_again: bool = False
) -> list[Walk]:
    """Go one tier up wherever a tier's score is below a threshold, for many thresholds.

    `scores` has one array for each tier but the top one. A tier that gives a prompt up is charged
    for its whole answer when `whole_answer`, else for the prompt only. `reads_again` charges
    each of these tiers twice, for scores that come from reading question and answer once more.
    """
    levels = np.quantile(np.concatenate(scores), np.linspace(0, 1, NUM_THRESHOLDS))
    # The top tier's score is never too low.
    columns = np.column_stack((*scores, np.full(len(matrix.rows), np.nan)))
    passes = np.array([2.0 if reads_again else 1.0] * len(scores) + [1.0])
    walks = []
    for level in np.concatenate(([-np.inf], levels, [np.inf])):
        leaves = columns < level
        written = np.where(leaves & (not whole_answer), 0.0, matrix.generated_tokens)
        spent = passes * (matrix.prompt_tokens + written)
        walks.append(follow(matrix, leaves.astype(np.intp), written, spent=spent))
    return walks


def _random(matrix: Matrix, seed: int = 0) -> list[Walk]:
    rng = np.random.default_rng(seed)
    drawn = rng.random(len(matrix.rows))
    walks = [alone(matrix, tier) for tier in range(len(matrix.tiers))]
    for tier in range(1, len(matrix.tiers)):
        for share in np.linspace(0.05, 0.95, 10):
            walks.append(pick(matrix, np.where(drawn < share, tier, tier - 1)))
    return walks


def _prompt_router(learned: Matrix, judged: Matrix) -> list[Walk]:
    """Choose a tier by the prompt's text: character n-grams, one logistic regression per tier."""
    predict = _text_model([p.prompt for p in learned.prompts], learned.right)
    p = predict([p.prompt for p in judged.prompts])
    costs = learned.costs().mean(0)
    return [pick(judged, np.argmax(p - weight * costs, axis=1)) for weight in COST_WEIGHTS]


def _margin(judged: Matrix) -> list[Walk]:
    scores = [
        np.array([row[tier].probe.first.margin or 0.0 for row in judged.rows])
        for tier in range(len(judged.tiers) - 1)
    ]
    return threshold_walks(judged, scores, whole_answer=False)


def _ucci(learned: Matrix, judged: Matrix) -> list[Walk]:
    """Escalate by the answer's mean token log-probability, calibrated by isotonic regression."""
    from sklearn.isotonic import IsotonicRegression

    scores = []
    for tier in range(len(judged.tiers) - 1):
        model = IsotonicRegression(out_of_bounds="clip")
        model.fit(_mean_logprobs(learned, tier), learned.right[:, tier])
        scores.append(model.predict(_mean_logprobs(judged, tier)))
    return threshold_walks(judged, scores, whole_answer=True)


def _quantiles(learned: Matrix, judged: Matrix) -> list[Walk]:
    """Escalate by a logistic regression on quantiles of the answer's token log-probabilities."""
    scores = []
    for tier in range(len(judged.tiers) - 1):
        x, y = _logprob_quantiles(learned, tier), _logprob_quantiles(judged, tier)
        scores.append(_logistic(x, learned.right[:, tier])(y))
    return threshold_walks(judged, scores, whole_answer=True)


def _automix(judged: Matrix, said: Sequence[Floats]) -> list[Walk]:
    return threshold_walks(judged, said, whole_answer=True, reads_again=True)


def _scorer(learned: Matrix, judged: Matrix) -> list[Walk]:
    """Escalate by a logistic regression on the text of question and answer."""
    scores = []
    for tier in range(len(judged.tiers) - 1):
        texts = [_with_answer(learned, i, tier) for i in range(len(learned.rows))]
        predict = _text_model(texts, learned.right[:, [tier]])
        judged_texts = [_with_answer(judged, i, tier) for i in range(len(judged.rows))]
        scores.append(predict(judged_texts)[:, 0])
    return threshold_walks(judged, scores, whole_answer=True)


def _with_answer(matrix: Matrix, index: int, tier: int) -> str:
    return f"{matrix.prompts[index].prompt}\n\nAnswer: {matrix.rows[index][tier].answer}"


def _mean_logprobs(matrix: Matrix, tier: int) -> Floats:
    means = [np.mean(row[tier].probe.logprobs or (0.0,)) for row in matrix.rows]
    return np.array(means, float)


def _logprob_quantiles(matrix: Matrix, tier: int) -> Floats:
    levels = np.linspace(0, 1, 11)
    readings = [reading_of(row[tier], "answer", matrix.hold_back) for row in matrix.rows]
    return np.array([np.quantile(r.logprobs or (0.0,), levels) for r in readings])


def _text_model(
    texts: Sequence[str], truths: npt.NDArray[np.bool_]
) -> Callable[[Sequence[str]], Floats]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), min_df=2, sublinear_tf=True
    )
    x = vectorizer.fit_transform(texts)
    models = [_logistic(x, truths[:, column], 10.0) for column in range(truths.shape[1])]
    return lambda others: np.stack([m(vectorizer.transform(others)) for m in models], -1)


def _logistic(
    x: Floats, truth: npt.NDArray[np.bool_], strength: float = 1.0
) -> Callable[[Floats], Floats]:
    from sklearn.linear_model import LogisticRegression

    if truth.all() or not truth.any():
        return lambda others: np.full(others.shape[0], float(truth.mean()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=strength, max_iter=500).fit(x, truth)
    return lambda others: np.asarray(model.predict_proba(others)[:, 1], float)
