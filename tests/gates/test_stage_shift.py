"""What has happened since a question shifts the guess of who is right."""

from __future__ import annotations

import pytest

from tierchat.gates.order import ToolStage
from tierchat.gates.stage_shift import right_at

SIZES = (630e6, 1_777e6, 70e9)
RIGHT = (0.3, 0.5, 0.7)


@pytest.mark.parametrize("stage", ["none", "question"])
def test_a_question_is_as_hard_as_its_letters_say(stage: ToolStage) -> None:
    assert right_at(stage, RIGHT, SIZES) == list(RIGHT)


def test_a_result_is_hard_for_a_small_model_and_easy_for_large_ones() -> None:
    small, middle, large = right_at("result", RIGHT, SIZES)
    assert small < 0.3 and middle > 0.5 and large > 0.95
    # Of two large models the bigger one is hardly better.
    big, bigger = right_at("result", (0.7, 0.75), (8e9, 32e9))
    assert bigger - big < 0.04


def test_after_a_failure_every_tier_is_less_likely_right() -> None:
    after_result, after_failure = (right_at(stage, RIGHT, SIZES) for stage in ("result", "failed"))  # type: ignore[arg-type]
    assert all(a > b for a, b in zip(after_result, after_failure, strict=True))


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_what_is_sure_stays_a_probability(probability: float) -> None:
    for stage in ("result", "failed"):
        (found,) = right_at(stage, [probability], [1e9])  # type: ignore[arg-type]
        assert 0.0 <= found <= 1.0
