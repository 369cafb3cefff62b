"""Policies replayed on an outcome matrix, thresholds fitted to one, and the matrix itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.pocket.measure.metrics import replay, summary, weights_of
from tierchat.pocket.measure.outcomes import Cell, Question, TierFacts, run_tier
from tierchat.pocket.measure.thresholds import fit
from tierchat.pocket.tasks.problems import Problem
from tierchat.types import Message
from tierchat.workers.child.held_model import HeldModel
from tierchat.workers.protocol import LoadModel

pytest.importorskip("reasoning_gym", reason="extra [pocket]: its graders")

TIERS = [TierFacts("XS", 1, 0.5, -1.0), TierFacts("S", 5, 0.5, -1.0), TierFacts("M", 20, 0.5, -1)]


def cell(right: bool, wish: float = 0.0, logprob: float = -0.1) -> Cell:
    return Cell(right, wish, logprob, 10, 4)


def problem(prompt: str, answer: str | None, level: str = "1") -> Problem:
    return Problem("task", "sum", level, prompt, answer)


def test_a_hop_at_the_prompt_costs_its_prompt_and_no_generated_token() -> None:
    walked = replay([cell(False, 0.9), cell(True), cell(True)], TIERS, 0, False)
    assert (walked.tier, walked.is_right, walked.compute) == (1, True, 1 * 10 + 5 * 14)
    assert (walked.num_escalation_tokens, walked.num_hops, walked.num_hop_generated) == (10, 1, 0)


def test_decision_c_pays_for_the_answer_it_throws_away() -> None:
    row = [cell(False, 0.1, -2.0), cell(True), cell(True)]
    assert replay(row, TIERS, 0, False).tier == 0
    checked = replay(row, TIERS, 0, True)
    assert checked.tier == 1 and checked.num_hop_generated == 4


def test_when_all_wish_to_escalate_nobody_answers() -> None:
    assert replay([cell(True, 0.9)] * 3, TIERS, 0, False).tier is None


def test_families_and_levels_weigh_the_same_however_many_prompts_they_have() -> None:
    problems = [problem("a", "1", "1")] + [problem("b", "1", "2")] * 3
    weights = weights_of(problems)
    assert weights[0] == pytest.approx(weights[1:].sum())
    rows = [[cell(True)] * 3] + [[cell(False)] * 3] * 3
    assert summary(problems, rows, TIERS)["accuracy M alone"][0] == pytest.approx(0.5)


def test_thresholds_keep_what_is_right_and_pass_on_what_the_next_one_can() -> None:
    sure = [[cell(True, 0.1, -0.01), cell(True)] for _ in range(10)]
    unsure = [[cell(False, 0.3, -0.01), cell(True)] for _ in range(5)]
    doubtful = [[cell(False, 0.1, -1.5), cell(True)]]
    hopeless = [[cell(False, 0.2, -0.01), cell(False)] for _ in range(5)]
    limits = fit([*sure, *unsure, *doubtful, *hopeless], 0)
    assert 0.1 <= limits["escalate_threshold"] < 0.3
    assert -1.5 < limits["answer_threshold"] <= -0.05


def test_the_matrix_comes_from_the_real_engine(models_dir: Path) -> None:
    order = LoadModel(name="XS", path=str(models_dir / "pocket-xs.gguf"))
    held = HeldModel(order, lambda _share: None)
    prompts = [("2+2", "4"), ("3+4", "7"), ("What is 17*24?", "408"), ("Who wrote it?", None)] * 8
    questions = [
        Question("mix", (Message(role="user", content=text),), problem(text, answer))
        for text, answer in prompts
    ]
    cells = run_tier(held, questions)
    held.close()
    assert [c.is_right for c in cells[:2]] == [True, True]
    assert cells[0].escalate_probability < 0.5 < cells[2].escalate_probability
    assert cells[3].escalate_probability > 0.5 and not cells[3].is_right
    assert [c.is_right for c in cells] == [c.is_right for c in cells[:4]] * 8
