"""Answers of the real ladder as a file: what comes back is what was there, and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import pytest

from tests.learning.test_collect import PROMPTS, WORK, Scripted
from tierchat.learning.outcomes.cells import Cells
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.store import open_store


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    monkeypatch.setattr(sys, "path", [str(Path("bench").resolve()), *sys.path])
    found = importlib.import_module("real_outcomes")
    monkeypatch.setattr(found, "FILE", tmp_path / "answers" / "outcomes.jsonl.xz")
    return found


def test_exported_answers_are_only_begun_again(outcomes: object, tmp_path: Path) -> None:
    first = Scripted()
    with open_store(tmp_path / "first.sqlite") as store:
        wanted = asyncio.run(collect(WORK, PROMPTS, first, store, lambda *_: None))
        num = outcomes.export(store, WORK, PROMPTS)  # type: ignore[attr-defined]
        assert num == outcomes.export(store, WORK, PROMPTS)  # type: ignore[attr-defined]
    again = Scripted()
    with open_store(tmp_path / "second.sqlite") as store:
        made = asyncio.run(outcomes.restore(WORK, PROMPTS, again, store))  # type: ignore[attr-defined]
        assert made == num == len(again.orders)
        assert {order.sampling.max_tokens for order in again.orders} == {WORK.hold_back}
        assert Cells(WORK, PROMPTS, store).missing_rows() == []
        assert asyncio.run(collect(WORK, PROMPTS, again, store, lambda *_: None)) == wanted
        assert len(again.orders) == num
