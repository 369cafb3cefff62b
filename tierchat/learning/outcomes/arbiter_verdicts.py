"""The arbiter's verdicts on the answers of a matrix: as grades, and as a check of the arbiter.

Does not know how answers are collected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tierchat.learning.outcomes.arbiter import Arbiter, Case
from tierchat.learning.outcomes.grading import has_grade
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.work import Models, Work


async def judge_ungraded(
    arbiter: Arbiter,
    prompts: Sequence[GradedPrompt],
    answers: Mapping[int, Sequence[str]],
    models: Models,
    store: OutcomeStore,
) -> dict[tuple[int, int], bool]:
    """Let the arbiter grade `answers`, by row, to prompts that have nothing to compare them with.

    Returns verdicts by (row, tier). The arbiter's own answers count as right.
    """
    cases = {
        (row, tier): case
        for row, given in answers.items()
        if prompts[row].is_ungraded
        for tier, case in _to_judge(prompts[row], given)
    }
    verdicts = await arbiter.judge(list(cases.values()), models, store)
    return {cell: _is_yes(verdict) for cell, verdict in zip(cases, verdicts, strict=True)}


def _to_judge(prompt: GradedPrompt, answers: Sequence[str]) -> list[tuple[int, Case]]:
    # An answer that a person marked needs no judge.
    return [
        (tier, Case(prompt.question, answer, answers[-1]))
        for tier, answer in enumerate(answers)
        if not has_grade(prompt, answer)
    ]


def _is_yes(verdict: float | None) -> bool:
    return verdict is not None and verdict > 0.5


async def count_without_verdict(
    work: Work, matrix: Matrix, models: Models, store: OutcomeStore
) -> tuple[int, int]:
    """Count the answers on which the arbiter gave no verdict.

    Returns that number, and the number of answers that it had to grade.
    """
    arbiter = Arbiter(work.tiers[-1], work.identities[-1], work.num_at_once)
    cases = [
        case
        for prompt, row in zip(matrix.prompts, matrix.rows, strict=True)
        for _, case in _to_judge(prompt, [cell.answer for cell in row])
    ]
    verdicts = await arbiter.judge(cases, models, store)
    return sum(verdict is None for verdict in verdicts), len(verdicts)


async def agreement(
    work: Work, matrix: Matrix, models: Models, store: OutcomeStore, max_cases: int = 60
) -> tuple[float, int, int]:
    """Measure how often the arbiter agrees with the exact graders on smaller tiers' answers.

    Returns the share of agreement, the number of answers it was measured on (half of them right,
    where there are enough) and the number without a verdict, which count as "wrong".
    """
    graded = [
        (row, tier)
        for tier in range(len(matrix.tiers) - 1)
        for row, prompt in enumerate(matrix.prompts)
        if not prompt.is_ungraded
    ]
    right = matrix.right
    rights = [(row, tier) for row, tier in graded if right[row, tier]][: max_cases // 2]
    wrongs = [(row, tier) for row, tier in graded if not right[row, tier]][: max_cases // 2]
    cases = [
        Case(matrix.prompts[row].prompt, matrix.rows[row][tier].answer, matrix.rows[row][-1].answer)
        for row, tier in (*rights, *wrongs)
    ]
    if not cases:
        return 0.0, 0, 0
    arbiter = Arbiter(work.tiers[-1], work.identities[-1], work.num_at_once)
    verdicts = await arbiter.judge(cases, models, store)
    truths = [True] * len(rights) + [False] * len(wrongs)
    num_same = sum(_is_yes(v) == truth for v, truth in zip(verdicts, truths, strict=True))
    return num_same / len(cases), len(cases), sum(verdict is None for verdict in verdicts)
