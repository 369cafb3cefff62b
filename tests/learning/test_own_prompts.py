"""The user's own prompts in a lesson: marked ones, a sample of the rest, and the forgetting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from tests.made_matrix import made_matrix
from tierchat.learning.evaluation.policies import oracle, singles
from tierchat.learning.evaluation.worth import worth
from tierchat.learning.outcomes.history import DatedPrompt
from tierchat.learning.outcomes.own_prompts import count_of
from tierchat.learning.outcomes.prompts import GradedPrompt

NOW = datetime.now(UTC)


def test_older_prompts_count_less_and_at_last_not_at_all() -> None:
    prompt = GradedPrompt(prompt="2+2")
    ages = (0, 90, 180, 365)
    counts = [count_of(DatedPrompt(prompt, NOW - timedelta(days=days)), NOW) for days in ages]
    assert counts == [4, 2, 1, 0]
    # A clock that was set back makes nothing count more.
    assert count_of(DatedPrompt(prompt, NOW + timedelta(days=9)), NOW) == 4


def test_a_gate_is_better_only_if_the_interval_says_so() -> None:
    matrix = made_matrix(400)
    assert worth(matrix, oracle(matrix), []).is_better
    found = worth(matrix, singles(matrix), [])
    assert not found.is_better and "not surely better than no lesson" in found.why_not
    few = matrix.take(np.arange(6))
    assert not worth(few, singles(few), []).is_better
