"""The user's own prompts in a lesson: marked ones, a sample of the rest, and the forgetting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.conftest import UserHome
from tests.made_matrix import made_matrix
from tierchat.learning.evaluation.drift import drift
from tierchat.learning.evaluation.policies import oracle, singles
from tierchat.learning.evaluation.worth import worth
from tierchat.learning.outcomes.history import DatedPrompt
from tierchat.learning.outcomes.own_prompts import count_of, own_prompts
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


def test_estimates_that_do_not_come_true_are_a_drift() -> None:
    sure, rng = np.full(100, 0.9), np.random.default_rng(1)
    # Within a hundred prompts: of ten judged answers, half are right where nine were expected.
    found = drift(sure[:10], np.arange(10) < 5)
    assert found.is_certain and found.expected == pytest.approx(9.0)
    assert "5 of 10 judged answers were right, where it expected 9.0" in str(found)
    assert drift(sure[:3], np.zeros(3, bool)).is_certain
    # One answer alone proves nothing, and neither does a gate that said it was unsure.
    assert not drift(sure[:1], np.zeros(1, bool)).is_certain
    assert not drift(np.full(10, 0.4), np.arange(10) < 3).is_certain
    alarms = [drift(sure, rng.random(100) < 0.9).is_certain for _ in range(1000)]
    assert np.mean(alarms) < 0.02


def test_the_marked_and_a_sample_of_the_others_are_taken(home: UserHome) -> None:
    for prompt in ("0+1", "1+1", "2+2"):
        assert home.run("ask", prompt).returncode == 0
    everything = own_prompts(home.paths.log_file, "pocket", 1.0, NOW)
    assert {prompt.prompt for prompt in everything.prompts} == {"0+1", "1+1", "2+2"}
    assert own_prompts(home.paths.log_file, "pocket", 0.0, NOW).prompts == ()
    assert own_prompts(home.paths.log_file, "other", 1.0, NOW).prompts == ()
    assert everything.name != own_prompts(home.paths.log_file, "pocket", 0.0, NOW).name
    assert len(everything.since(NOW.timestamp() - 60)) == 3
    assert everything.since(NOW.timestamp() + 3600) == []
