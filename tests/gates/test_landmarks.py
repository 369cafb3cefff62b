"""Landmarks: a prompt is described by how near it is to prompts of the lesson."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="extra [train]")

from tierchat.gates.landmarks import Landmarks
from tierchat.learning.evaluation import metrics
from tierchat.learning.training.fit import fit_head
from tierchat.learning.training.near_rows import fit_near_rows


def ring(num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make prompts of which those in the middle are right: no plane tells them apart."""
    x = np.random.default_rng(seed).normal(size=(num, 4))
    return x, (x**2).sum(1, keepdims=True) < 3.0


def test_a_prompt_is_nearest_to_itself() -> None:
    places = np.array([[0.0, 0.0], [3.0, 4.0]])
    landmarks = Landmarks(np.eye(3)[:, :2], places, width=25.0)
    near = landmarks.near(np.array([[0.0, 0.0, 9.0], [3.0, 4.0, -9.0]]))
    assert np.allclose(near, [[1.0, np.exp(-1)], [np.exp(-1), 1.0]])


def test_rows_of_landmarks_know_what_no_plane_does() -> None:
    x, right = ring(300)
    folds, judged = np.arange(300) % 5, np.ones(300, bool)
    landmarks, (row,), held_out = fit_near_rows(x, 4, right, folds, judged)
    others, truth = ring(300, seed=1)
    found = row.probability(landmarks.near(others))
    assert metrics.auroc(found, truth[:, 0]) > 0.9
    assert metrics.ece(found, truth[:, 0]) < 0.1
    assert metrics.auroc(held_out[:, 0], right[:, 0]) > 0.85


@pytest.mark.parametrize(("is_ring", "has_landmarks"), [(True, True), (False, False)])
def test_a_head_has_landmarks_where_they_foretell_more(is_ring: bool, has_landmarks: bool) -> None:
    x, right = ring(200)
    if not is_ring:
        right = x[:, :1] + x[:, 1:2] > 0
    numbers = np.zeros((200, 2))
    head, _ = fit_head(
        np.hstack((x, numbers)),
        4,
        right,
        np.ones((200, 1)),
        np.arange(200) % 5,
        tries_landmarks=True,
    )
    assert (head.landmarks is not None) == has_landmarks
    guess = head.guess(np.hstack((x, numbers)))
    assert metrics.auroc(guess.right[:, 0], right[:, 0]) > 0.9
