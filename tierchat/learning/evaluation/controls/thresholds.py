"""Walks of policies that go one tier up wherever a score is too low.

Does not know what a score was read from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tierchat.learning.evaluation.policies import Walk, follow
from tierchat.learning.outcomes.matrix import Floats, Matrix

_STEEPEST, _NUM_LEVELS = 12.0, 81


def probability_levels() -> Floats:
    """Return thresholds for probabilities, evenly spaced in log-odds and known without any data.

    The same level in two matrices is therefore the same policy.
    """
    odds = np.exp(-np.linspace(-_STEEPEST, _STEEPEST, _NUM_LEVELS))
    return np.concatenate(([-np.inf], 1 / (1 + odds), [np.inf]))


def threshold_walks(
    matrix: Matrix,
    scores: Sequence[Floats],
    levels: Floats | None = None,
    *,
    whole_answer: bool,
    prompt_tokens: Floats | None = None,
    question_tokens: Floats | None = None,
) -> tuple[Walk, ...]:
    """Go one tier up wherever a tier's score is below a level, once for each level.

    `scores` has one array for each tier but the top one; `levels` are those of probabilities if
    None. A tier that gives a prompt up is charged for its whole answer when `whole_answer`, else
    for the prompt only. `prompt_tokens` replaces the number of tokens that these tiers read before
    they answer, `question_tokens` adds those of a question about a finished answer; both have shape
    (n, k - 1).
    """
    # The top tier's score is never too low.
    columns = np.column_stack((*scores, np.full(len(matrix.rows), np.nan)))
    read = matrix.prompt_tokens.copy()
    if prompt_tokens is not None:
        read[:, :-1] = prompt_tokens
    if question_tokens is not None:
        read[:, :-1] += question_tokens
    generated = matrix.generated_tokens
    walks = []
    for level in probability_levels() if levels is None else levels:
        leaves = columns < level
        written = np.where(leaves & (not whole_answer), 0.0, generated)
        walks.append(follow(matrix, leaves.astype(np.intp), written, spent=read + written))
    return tuple(walks)
