"""A new gate takes the place of the one in use unless that is better on the same prompts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.gates.test_files import head
from tests.made_matrix import made_matrix
from tierchat.gates import files as gate_files
from tierchat.gates.row_gate import RowGates
from tierchat.learning.training.fit import Fit, fit_gates, predict
from tierchat.learning.training.gate_in_use import why_not_better
from tierchat.learning.training.teaching import Taught

LEARNED, HELD_OUT = made_matrix(160), made_matrix(80, seed=3)
# The letters of these prompts say nothing.
GOOD = replace(fit_gates(LEARNED, has_token=False).gates, unread=None)


def blind(gates: RowGates) -> RowGates:
    """Rows that expect the same of every prompt."""
    heads = {
        place: replace(
            one, rows=tuple(replace(row, weights=np.zeros_like(row.weights)) for row in one.rows)
        )
        for place, one in gates.heads.items()
    }
    return replace(gates, heads=heads)


def taught(gates: RowGates) -> Taught:
    estimates = predict(gates, HELD_OUT)
    return Taught(Fit(gates, estimates), LEARNED, HELD_OUT, estimates, ())


def in_use(folder: Path, gates: RowGates, learned: tuple[str, ...] = ()) -> Path:
    path = folder / "pocket.json"
    gate_files.save(path, head(learned=learned), gates)
    return path


def test_a_worse_gate_is_refused_and_a_better_one_taken(tmp_path: Path) -> None:
    assert "the gate in use is better" in why_not_better(
        in_use(tmp_path, GOOD), taught(blind(GOOD))
    )
    assert why_not_better(in_use(tmp_path, blind(GOOD)), taught(GOOD)) == ""
    assert why_not_better(in_use(tmp_path, GOOD), taught(GOOD)) == ""


@pytest.mark.parametrize("case", ["none", "broken", "learned"])
def test_without_something_to_compare_with_it_is_taken(tmp_path: Path, case: str) -> None:
    path = tmp_path / "pocket.json"
    if case == "broken":
        path.write_text("{}")
    if case == "learned":
        in_use(tmp_path, GOOD, tuple(HELD_OUT.groups))
    assert why_not_better(path, taught(blind(GOOD))) == ""
