"""The features of a reading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tierchat.gates.signals import Reading, features, log_odds
from tierchat.types import Signals

SIGNALS = Signals(escalate_probability=0.25, entropy=1.0, margin=0.5, num_prompt_tokens=3)
READING = Reading(
    stage="prefill",
    now=SIGNALS,
    first=SIGNALS,
    hidden=np.arange(4, dtype=np.float32),
    prompt_tokens=(5, 6, 7),
)


def test_a_prompts_words_count_whatever_their_order() -> None:
    x = features(READING, has_token=False)
    assert np.isfinite(x).all() and (x[:4] == [0, 1, 2, 3]).all()
    same = features(replace(READING, prompt_tokens=(7, 5, 6)), has_token=False)
    other = features(replace(READING, prompt_tokens=(7, 5, 1_000_003)), has_token=False)
    assert (x == same).all() and (x != other).any()
    more = features(replace(READING, prompt_tokens=(5, 6, 7, 7)), has_token=False)
    assert more.sum() > x.sum()


def test_no_words_are_no_error() -> None:
    x = features(replace(READING, prompt_tokens=()), has_token=False)
    assert x.shape == features(READING, has_token=False).shape


def test_the_models_own_token_and_a_finished_answer_add_numbers() -> None:
    plain = len(features(READING, has_token=False))
    assert len(features(READING, has_token=True)) == plain + 1
    answer = replace(READING, stage="answer", logprobs=(-0.1, -2.0))
    assert len(features(answer, has_token=False)) > plain


@pytest.mark.parametrize(("p", "odds"), [(0.5, 0.0), (None, -16.1), (0.0, -16.1), (1.0, 16.1)])
def test_log_odds_stay_finite(p: float | None, odds: float) -> None:
    assert log_odds(p) == pytest.approx(odds, abs=0.1)
