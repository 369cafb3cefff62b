"""Decision 0: a lesson on the letters of prompts chooses where a prompt begins, unread."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.made_matrix import made_matrix
from tierchat.gates import letters
from tierchat.gates.prior import Prior
from tierchat.gates.row_gate import RowGates, choose
from tierchat.learning.evaluation import policies
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.training import unread
from tierchat.learning.training.fit import costs_of, deal_folds, predict
from tierchat.types import Message

EMPTY = Prior(
    mean_size=1.0,
    bias=0.0,
    size_weight=0.0,
    difficulty=bytes(2 * letters.NUM_BUCKETS),
    slope=bytes(2 * letters.NUM_BUCKETS),
    lengths=bytes(2 * letters.NUM_BUCKETS),
    length_bias=1.0,
    usual_tokens=1.0,
    cost_weights=(),
)
KINDS = ("capital of {}", "prove the theorem {}", "translate {} into Russian", "add up {} and 3")


def matrix(num: int = 240, seed: int = 1) -> Matrix:
    """Make prompts whose kind, which the letters show, says which tiers are right."""
    made = made_matrix(num, seed)
    rng = np.random.default_rng(seed)
    prompts, rows = [], []
    for index, (prompt, row) in enumerate(zip(made.prompts, made.rows, strict=True)):
        kind = index % 4
        right = [rng.random() < p for p in ((0.9, 0.1, 0.1, 0.9)[kind], (0.9, 0.2, 0.8, 0.9)[kind])]
        text = KINDS[kind].format(rng.integers(10**6))
        prompts.append(msgspec.structs.replace(prompt, prompt=text, family=str(kind)))
        cells = zip(row, (*right, True), strict=True)
        rows.append(tuple(replace(cell, is_right=is_right) for cell, is_right in cells))
    return Matrix(made.tiers, made.parameters, tuple(prompts), tuple(rows))


LEARNED, JUDGED = matrix(), matrix(120, seed=2)
ROWS, HELD_OUT = unread.fit_unread(
    LEARNED, deal_folds(LEARNED.groups), np.ones(len(LEARNED.rows), bool), EMPTY
)


def test_kinds_of_prompts_begin_where_they_are_answered_right() -> None:
    # No rows: the hidden states of these prompts do not show their kind.
    gates = RowGates(LEARNED.tiers, costs_of(LEARNED), False, {}, unread=ROWS)
    [walk] = policies.gated(JUDGED, predict(gates, JUDGED), gates, [0.3])
    kinds = np.array([int(prompt.family) for prompt in JUDGED.prompts])
    means = [walk.tier[kinds == kind].mean() for kind in range(4)]
    assert means[0] < 0.4 and means[3] < 0.4 and means[1] > 1.5 and means[2] > 0.5
    # A prompt that begins at the top is read by nobody else.
    top = (kinds == 1) & (walk.tier == 2)
    assert (walk.num_hops[top] == 0).mean() > 0.8


def test_the_daemon_expects_and_chooses_what_the_replay_does() -> None:
    guess = unread.guess(ROWS, JUDGED)
    costs = policies.TierCosts(LEARNED.parameters, LEARNED.unit())
    assert guess.prompt_tokens is not None
    for weight in (-0.2, 0.0, 0.1, 1.0):
        alone = costs.unread(guess.prompt_tokens, guess.generated)
        replayed = choose(guess.right, alone, weight)
        for prompt, tier in zip(JUDGED.prompts, replayed, strict=True):
            text, num = letters.text_of(prompt.messages), letters.num_bytes(prompt.messages)
            expected = ROWS.expect(text, num)
            assert ROWS.choose(expected, LEARNED.parameters, LEARNED.unit(), weight) == tier


def test_what_is_expected_is_calibrated_on_prompts_that_were_not_learned() -> None:
    guess = unread.guess(ROWS, JUDGED)
    assert abs(guess.right.mean(0) - JUDGED.right.mean(0)).max() < 0.1
    assert abs(HELD_OUT.right.mean(0) - LEARNED.right.mean(0)).max() < 0.05
    assert guess.prompt_tokens is not None and (guess.prompt_tokens >= 1).all()
    assert (guess.generated >= 1).all()


@pytest.mark.parametrize("right", [True, False])
def test_tiers_that_are_always_or_never_right_can_be_learned(right: bool) -> None:
    rows = tuple(tuple(replace(c, is_right=right) for c in row) for row in LEARNED.rows[:30])
    one = Matrix(LEARNED.tiers, LEARNED.parameters, LEARNED.prompts[:30], rows)
    folds, judged = deal_folds(one.groups), np.ones(30, bool)
    _, held_out = unread.fit_unread(one, folds, judged)
    assert (abs(held_out.right - right) < 0.4).all()


def test_a_prompt_without_letters_has_an_expectation() -> None:
    found = ROWS.expect(letters.text_of([Message(role="user", content="")]), 0)
    assert all(0 < tier.right < 1 and tier.generated >= 1 for tier in found)
