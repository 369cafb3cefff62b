"""Controls that read a finished answer, or the distribution of its first token.

A tier that is given up is charged for all that was read. Needs scikit-learn.
"""

from __future__ import annotations

import numpy as np

from tierchat.learning.evaluation.controls.fitting import logistic, text_logistic
from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.evaluation.controls.thresholds import threshold_walks
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.outcomes.matrix import Floats, Matrix, reading_of


def first_token_margin(study: Study) -> Policy:
    """Go up where the first token's two likeliest choices are close; nothing is learned."""
    scores = _first(study.judged, "margin")
    walks = threshold_walks(study.judged, scores, whole_answer=False)
    return Policy("first-token margin", "decision A", walks, _columns(scores))


def first_token_entropy(study: Study) -> Policy:
    """Go up where the distribution of the first token is wide; nothing is learned."""
    scores = [-score for score in _first(study.judged, "entropy")]
    levels = np.concatenate(([-np.inf], -np.geomspace(20.0, 1e-5, 80), [np.inf]))
    walks = threshold_walks(study.judged, scores, levels, whole_answer=False)
    return Policy("first-token entropy", "decision A", walks, _columns(scores))


def ucci(study: Study) -> Policy:
    """Go up by the answer's mean token log-probability, calibrated by isotonic regression."""
    from sklearn.isotonic import IsotonicRegression

    scores = []
    for tier in range(len(study.judged.tiers) - 1):
        model = IsotonicRegression(out_of_bounds="clip")
        model.fit(_mean_logprobs(study.learned, tier), study.learned.right[:, tier])
        scores.append(np.asarray(model.predict(_mean_logprobs(study.judged, tier)), float))
    return _by_answer("UCCI", "arXiv 2605.18796", study, scores)


def token_quantiles(study: Study) -> Policy:
    """Go up by a logistic regression on quantiles of the answer's token log-probabilities."""
    scores = []
    for tier in range(len(study.judged.tiers) - 1):
        x, others = _logprob_quantiles(study.learned, tier), _logprob_quantiles(study.judged, tier)
        scores.append(logistic(x, study.learned.right[:, tier])(others))
    return _by_answer("token quantiles", "arXiv 2404.10136", study, scores)


def answer_scorer(study: Study) -> Policy:
    """Go up by a logistic regression on the text of question and answer.

    FrugalGPT scores with a small language model in its place.
    """
    scores = []
    for tier in range(len(study.judged.tiers) - 1):
        predict = text_logistic(_with_answers(study.learned, tier), study.learned.right[:, [tier]])
        scores.append(predict(_with_answers(study.judged, tier))[:, 0])
    return _by_answer("FrugalGPT scorer", "arXiv 2305.05176", study, scores)


def _by_answer(name: str, source: str, study: Study, scores: list[Floats]) -> Policy:
    walks = threshold_walks(study.judged, scores, whole_answer=True)
    return Policy(name, source, walks, _columns(scores), are_probabilities=True)


def _columns(scores: list[Floats]) -> dict[int, Floats]:
    return {tier: score[:, None] for tier, score in enumerate(scores)}


def _first(matrix: Matrix, name: str) -> list[Floats]:
    return [
        np.array([getattr(row[tier].probe.first, name) or 0.0 for row in matrix.rows])
        for tier in range(len(matrix.tiers) - 1)
    ]


def _with_answers(matrix: Matrix, tier: int) -> list[str]:
    pairs = zip(matrix.prompts, matrix.rows, strict=True)
    return [f"{prompt.question}\n\nAnswer: {row[tier].answer}" for prompt, row in pairs]


def _mean_logprobs(matrix: Matrix, tier: int) -> Floats:
    means = [np.mean(row[tier].probe.logprobs or (0.0,)) for row in matrix.rows]
    return np.array(means, float)


def _logprob_quantiles(matrix: Matrix, tier: int) -> Floats:
    levels = np.linspace(0, 1, 11)
    readings = [reading_of(row[tier], "answer", matrix.hold_back) for row in matrix.rows]
    return np.array([np.quantile(r.logprobs or (0.0,), levels) for r in readings])
