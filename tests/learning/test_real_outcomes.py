"""Answers of the real ladder as a file: what comes back is what was there, and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.learning.test_collect import PROMPTS, WORK, Scripted
from tierchat.learning.outcomes.cells import Cells
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.store import open_store


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(sys, "path", [str(Path("bench").resolve()), *sys.path])
    found = importlib.import_module("real_outcomes")
    monkeypatch.setattr(found, "FILE", tmp_path / "answers" / "outcomes.jsonl.xz")
    monkeypatch.setattr(found, "STATES", tmp_path / "answers" / "states.msgpack.xz")
    return found


def restored(outcomes: Any, path: Path) -> tuple[int, Scripted, Matrix]:
    models = Scripted()
    with open_store(path) as store:
        made = asyncio.run(outcomes.restore(WORK, PROMPTS, models, store))
        assert Cells(WORK, PROMPTS, store).missing_rows() == []
        return made, models, asyncio.run(collect(WORK, PROMPTS, models, store, lambda *_: None))


def test_another_machine_has_the_answers_and_what_was_read_of_the_prompts(
    outcomes: Any, tmp_path: Path
) -> None:
    with open_store(tmp_path / "first.sqlite") as store:
        wanted = asyncio.run(collect(WORK, PROMPTS, Scripted(), store, lambda *_: None))
        num = outcomes.export(store, WORK, PROMPTS)
        assert num == outcomes.export(store, WORK, PROMPTS) == 4
    made, models, again = restored(outcomes, tmp_path / "second.sqlite")
    assert made == num and not models.orders
    assert [[cell.answer for cell in row] for row in again.rows] == [["4", "4"]] * 2
    assert (again.right == wanted.right).all()
    assert (again.generated_tokens == wanted.generated_tokens).all()
    x, y = (part.features(0, "prefill", has_token=False) for part in (again, wanted))
    assert np.allclose(x, y, atol=1e-3)


def test_what_was_read_of_a_prompt_is_read_again_where_the_file_lacks_it(
    outcomes: Any, tmp_path: Path
) -> None:
    with open_store(tmp_path / "first.sqlite") as store:
        asyncio.run(collect(WORK, PROMPTS, Scripted(), store, lambda *_: None))
        outcomes.export(store, WORK, PROMPTS)
    outcomes.STATES.unlink()
    made, models, _ = restored(outcomes, tmp_path / "second.sqlite")
    # The top tier's states are read by no gate.
    assert made == 4 and [model for model, _ in models.asked] == ["s", "s"]
    assert {order.sampling.max_tokens for order in models.orders} == {1}
