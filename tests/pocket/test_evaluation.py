"""The evaluation of the bundled models: tables, thresholds, and a matrix from real workers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.made_matrix import cell, matrix_of
from tests.trapping import trapping_env
from tierchat.errors import ContextTooLong, ModelMissing
from tierchat.learning.evaluation.token_policy import TokenLimits
from tierchat.learning.outcomes.grading import grade
from tierchat.paths import find_paths
from tierchat.pocket.measure import evaluate
from tierchat.pocket.measure.graded import graded
from tierchat.pocket.measure.outcomes import run_tiers
from tierchat.pocket.measure.questions import Question
from tierchat.pocket.measure.tables import per_family, refusals, summary, weights_of
from tierchat.pocket.measure.thresholds import fit
from tierchat.pocket.tasks.problems import Problem

pytest.importorskip("reasoning_gym", reason="extra [pocket]: its graders")

LIMITS = (TokenLimits(0.5, -1.0),) * 3


def problem(prompt: str, answer: str | None, level: str = "1") -> Problem:
    return Problem("task", "sum", level, prompt, answer)


def test_families_and_levels_weigh_the_same_however_many_prompts_they_have() -> None:
    families = ["sum/1", "sum/2", "sum/2", "sum/2"]
    weights = weights_of(families)
    assert weights[0] == pytest.approx(weights[1:].sum())
    rows = [[cell(True)] * 3] + [[cell(False)] * 3] * 3
    found = summary(matrix_of(*rows, families=families), LIMITS)["accuracy M alone"]
    assert isinstance(found, tuple) and found[0] == pytest.approx(0.5)


def test_the_tables_say_who_answered_and_who_refused() -> None:
    at_s = [cell(False, 0.9), cell(True), cell(True)]
    nowhere = [cell(False, 0.9)] * 3
    matrix = matrix_of(at_s, at_s, nowhere, families=["a/1", "a/1", "b/1"])
    found = summary(matrix, LIMITS)
    shares = {name: value[0] for name, value in found.items() if isinstance(value, tuple)}
    assert shares["accuracy cascade"] == shares["share answered by S cascade"] == 0.5
    assert shares["share refused cascade"] == shares["accuracy M alone"] == 0.5
    assert shares["able XS (escalation forbidden)"] == shares["needless escalations XS"] == 0
    assert per_family(matrix, LIMITS)["a/1"] == pytest.approx(
        [0, 1, 1, 1, 0, 1, 0, (1 * 10 + 5 * 14) / (20 * 14)]
    )
    assert refusals(matrix, LIMITS)["all"] == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])


def test_thresholds_keep_what_is_right_and_pass_on_what_the_next_one_can() -> None:
    top = cell(False)
    sure = [[cell(True, 0.1, -0.01), cell(True), top] for _ in range(10)]
    unsure = [[cell(False, 0.3, -0.01), cell(True), top] for _ in range(5)]
    doubtful = [[cell(False, 0.1, -1.5), cell(True), top]]
    hopeless = [[cell(False, 0.2, -0.01), cell(False), top] for _ in range(5)]
    matrix = matrix_of(*sure, *unsure, *doubtful, *hopeless)
    limits = fit(matrix, np.zeros(len(matrix.rows), bool), 0)
    assert 0.1 <= limits["escalate_threshold"] < 0.3
    assert -1.5 < limits["answer_threshold"] <= -0.05


def test_a_prompt_from_outside_is_not_kept_though_no_tier_has_it_right() -> None:
    known = [[cell(True, 0.1, None)] * 3 for _ in range(10)]
    stranger = [[cell(False, 0.3, None)] * 3 for _ in range(5)]
    matrix = matrix_of(*known, *stranger)
    is_outside = np.array([False] * 10 + [True] * 5)
    for tier in range(3):
        assert fit(matrix, is_outside, tier)["escalate_threshold"] < 0.3
        # An answer without a token to read is as good as sure.
        assert fit(matrix, is_outside, tier)["answer_threshold"] == -99


def test_no_answer_to_a_prompt_from_outside_is_right() -> None:
    prompt = graded(Problem("outside", "outside", "poem", "Write a poem", None))
    assert not prompt.is_ungraded and prompt.family == "outside/poem"
    assert [grade(prompt, text) for text in ("", "a poem", "(?!)")] == [False] * 3


def test_the_matrix_comes_from_real_workers(models_dir: Path, tmp_path: Path) -> None:
    asked = [("2+2", "4"), ("3+4", "7"), ("What is 17*24?", "408")] * 8
    questions = [Question("outside", graded(problem("Who wrote it?", None)))]
    questions += [Question("mix", graded(problem(text, answer))) for text, answer in asked]
    measured = run_tiers(models_dir, questions, find_paths({"TIERCHAT_HOME": str(tmp_path)}))
    matrix = measured.matrix
    assert measured.groups == ("mix",) * 24 + ("outside",) and measured.is_outside[-1]
    assert len(measured.part("mix").rows) == 24 and matrix.parameters[0] < matrix.parameters[2]
    assert matrix.right[:2].all() and matrix.right[2].tolist() == [False, True, True]
    wishes = matrix.escalate_probabilities
    assert wishes[0, 0] < 0.5 < wishes[2, 0] and (wishes[-1] > 0.5).all()
    assert not matrix.right[-1].any() and (matrix.generated_tokens[-1] <= 1).all()
    assert (matrix.right[:24] == np.tile(matrix.right[:3], (8, 1))).all()
    assert (matrix.answer_min_logprobs[:24] <= 0).all()
    assert all(limit.answer is not None and 0 < limit.escalate < 1 for limit in measured.limits)


def test_a_build_that_traps_is_healed(
    models_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in trapping_env(always=True).items():
        monkeypatch.setenv(name, value)
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    measured = run_tiers(models_dir, [Question("mix", graded(problem("2+2", "4")))], paths)
    assert measured.matrix.right.all()
    assert json.loads(paths.machine_file.read_bytes())["uses_extra_buffer_types"] is False
    assert "`tierchat doctor`" in capsys.readouterr().err


def test_a_question_that_no_model_can_read_is_told(models_dir: Path, tmp_path: Path) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    long = Question("long", graded(problem("2+2 " * 30_000, "4")))
    with pytest.raises(ContextTooLong, match="1 questions are longer"):
        run_tiers(models_dir, [long], paths)
    with pytest.raises(ModelMissing):
        run_tiers(tmp_path, [replace(long, prompt=graded(problem("2+2", "4")))], paths)


@pytest.mark.slow
def test_the_evaluation_writes_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIERCHAT_HOME", str(tmp_path))
    monkeypatch.setattr(
        sys, "argv", ["evaluate", "--per-cell", "2", "--json", str(tmp_path / "r.json")]
    )
    evaluate.main()
    assert "== mix per cell: accuracy XS S M cascade" in capsys.readouterr().out
    found = json.loads((tmp_path / "r.json").read_bytes())
    assert [tier["name"] for tier in found["tiers"]] == ["XS", "S", "M"]
    value, low, high = found["mix"]["accuracy cascade"]
    assert low <= value <= high and value > 0.8
