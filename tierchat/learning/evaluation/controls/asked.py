"""Controls that put a question to a tier, and pay for it.

Does not know how the questions were asked.
"""

from __future__ import annotations

import numpy as np

from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.evaluation.controls.thresholds import threshold_walks
from tierchat.learning.evaluation.policies import COST_WEIGHTS, Walk, follow
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.outcomes.matrix import Floats, Matrix

_NUM_BINS = 8
# A bin's share of right answers is pulled to the share of all by so many made-up answers.
_PRIOR = 2.0


def p_true(study: Study) -> Policy:
    """Go up where a tier doubts its own answer, asked for it with yes or no."""
    said = study.said["is-right"]
    scores = list(said.probabilities.T)
    walks = threshold_walks(
        study.judged, scores, whole_answer=True, question_tokens=said.num_tokens
    )
    return Policy("P(True)", "arXiv 2207.05221", walks, _columns(scores), are_probabilities=True)


def asks_in_words(study: Study) -> Policy:
    """Go up where a tier, asked in the system turn, would begin with the word UNSURE.

    The probability is that of the word's first token. Answers are taken to be those that the tier
    gives without that sentence.
    """
    said = study.said["unsure"]
    scores = list(said.probabilities.T)
    walks = threshold_walks(study.judged, scores, whole_answer=False, prompt_tokens=said.num_tokens)
    return Policy("asks in words", "the command gate", walks, _columns(scores))


def automix(study: Study) -> Policy:
    """Verify every answer with the tier that gave it, and decide by what the verdict was worth.

    AutoMix solves a POMDP over binned verdicts; here every step takes the tier of the greatest
    expected value, from shares of right answers in each bin of the prompts learned from.
    """
    said, before = study.said["is-right"], study.said_of_learned["is-right"]
    learned, judged = study.learned, study.judged
    costs = learned.costs().mean(0)
    expects = {
        tier: _by_bin(
            before.probabilities[:, tier], learned.right[:, tier:], said.probabilities[:, tier]
        )
        for tier in range(len(judged.tiers) - 1)
    }
    spent = judged.prompt_tokens + judged.generated_tokens
    spent[:, :-1] += said.num_tokens
    walks = tuple(_by_value(judged, expects, costs, weight, spent) for weight in COST_WEIGHTS)
    return Policy("AutoMix", "arXiv 2310.12963", walks, expects, are_probabilities=True)


def _by_value(
    matrix: Matrix, expects: dict[int, Floats], costs: Floats, weight: float, spent: Floats
) -> Walk:
    steps = np.zeros(matrix.right.shape, np.intp)
    for tier, p in expects.items():
        # The answer at hand is paid for.
        ahead = np.concatenate(([0.0], costs[tier + 1 :]))
        steps[:, tier] = np.argmax(p - weight * ahead, axis=1)
    return follow(matrix, steps, matrix.generated_tokens, spent=spent)


def _by_bin(known: Floats, right: np.ndarray, asked: Floats) -> Floats:
    """Return the shares of right answers in the bin of each asked verdict, shape (n, tiers)."""
    is_known = ~np.isnan(known)
    known, truths = known[is_known], right[is_known].astype(float)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _NUM_BINS + 1)[1:-1]))
    bins, mean = np.searchsorted(edges, known, "right"), truths.mean(0)
    table = np.stack(
        [
            (truths[bins == index].sum(0) + _PRIOR * mean) / ((bins == index).sum() + _PRIOR)
            for index in range(len(edges) + 1)
        ]
    )
    shares: Floats = table[np.searchsorted(edges, asked, "right")]
    return shares


def _columns(scores: list[Floats]) -> dict[int, Floats]:
    return {tier: score[:, None] for tier, score in enumerate(scores)}
