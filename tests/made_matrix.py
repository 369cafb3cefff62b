"""Outcome matrices that are made up: from a seed, or cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tierchat.gates.order import Probe
from tierchat.learning.outcomes.matrix import Cell, Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.types import Signals

WIDTHS = (6, 8, 8)
PARAMETERS = (1.0, 10.0, 40.0)


def made_matrix(num: int, seed: int = 0) -> Matrix:
    """Make prompts of random hardness: higher tiers get harder prompts right.

    Hidden states show the hardness, and at the second reading whether the answer is right.
    """
    rng = np.random.default_rng(seed)
    hardness = rng.random(num)
    rows, prompts = [], []
    for index in range(num):
        cells = []
        for tier, width in enumerate(WIDTHS):
            is_right = hardness[index] + 0.05 * rng.normal() < (0.3, 0.6, 0.9)[tier]
            cells.append(_cell(rng, width, hardness[index], is_right))
        rows.append(tuple(cells))
        prompts.append(GradedPrompt(prompt=f"{seed} {index}", answer="1", family=f"f{index % 4}"))
    return Matrix(("XS", "S", "M"), PARAMETERS, tuple(prompts), tuple(rows))


def matrix_of(*rows: Sequence[Cell], families: Sequence[str] = ()) -> Matrix:
    """Put cells together; XS, S and M have 1, 5 and 20 parameters."""
    names = families or [""] * len(rows)
    prompts = tuple(
        GradedPrompt(prompt=str(number), family=name) for number, name in enumerate(names)
    )
    return Matrix(("XS", "S", "M"), (1.0, 5.0, 20.0), prompts, tuple(tuple(row) for row in rows))


def cell(is_right: bool, wish: float | None = 0.0, logprob: float | None = -0.1) -> Cell:
    """Make a cell of 10 prompt tokens and 4 generated ones."""
    first = Signals(escalate_probability=wish)
    probe = Probe(
        first=first,
        first_hidden=b"",
        second=first,
        second_hidden=b"",
        logprobs=(),
        prompt_tokens=(),
    )
    return Cell(is_right, "", 10, 4, 0.0, probe, logprob)


def _cell(rng: np.random.Generator, width: int, hardness: float, is_right: bool) -> Cell:
    num_generated = int(rng.integers(2, 30))
    hidden = rng.normal(size=(2, width)).astype("<f4")
    hidden[:, 0] += 4 * hardness
    hidden[1, 1] += 2 * is_right
    signals = Signals(escalate_probability=0.1, entropy=1.0, margin=0.5, num_prompt_tokens=10)
    logprobs = tuple(float(x) for x in -rng.random(num_generated + 1) * (0.1 if is_right else 1.0))
    probe = Probe(
        first=signals,
        first_hidden=hidden[0].tobytes(),
        second=signals,
        second_hidden=hidden[1].tobytes(),
        logprobs=logprobs,
        prompt_tokens=(7, 8, 9 + int(3 * hardness)),
    )
    return Cell(is_right, "1", 10, num_generated, 0.01, probe)
