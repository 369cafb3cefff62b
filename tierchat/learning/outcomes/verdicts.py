"""What the arbiter says of answers that have no answer to compare with.

Does not know how answers are collected.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from tierchat.learning.outcomes.arbiter import Arbiter, Case
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt, grade
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.work import Models, Stored, Work


async def judge_ungraded(
    arbiter: Arbiter,
    prompts: Sequence[GradedPrompt],
    keys: Sequence[Sequence[bytes]],
    known: dict[bytes, bytes],
    models: Models,
    store: OutcomeStore,
) -> dict[tuple[int, int], bool]:
    """Let the top tier grade what has no answer to compare with; its own answers count as right."""
    decoder = msgspec.msgpack.Decoder(Stored)
    places, cases = [], []
    for place, prompt in enumerate(prompts):
        if prompt.is_ungraded:
            answers = [decoder.decode(known[column[place]]).answer for column in keys]
            asked = _to_judge(prompt, answers)
            places += [(place, tier) for tier, _ in asked]
            cases += [case for _, case in asked]
    if not cases:
        return {}
    found = await arbiter.judge(cases, models, store)
    return {place: _is_yes(p) for place, p in zip(places, found, strict=True)}


def _to_judge(prompt: GradedPrompt, answers: Sequence[str]) -> list[tuple[int, Case]]:
    # What a person marked needs no judge.
    return [
        (tier, Case(prompt.question, answer, answers[-1]))
        for tier, answer in enumerate(answers)
        if grade(prompt, answer) is None
    ]


def _is_yes(verdict: float | None) -> bool:
    return verdict is not None and verdict > 0.5


async def count_without_verdict(
    work: Work, matrix: Matrix, models: Models, store: OutcomeStore
) -> tuple[int, int]:
    """Count the answers that the arbiter had to grade and said neither yes nor no of.

    Returns that number, and of how many.
    """
    arbiter = Arbiter(work.tiers[-1], work.identities[-1], work.num_at_once)
    cases = [
        case
        for prompt, row in zip(matrix.prompts, matrix.rows, strict=True)
        for _, case in _to_judge(prompt, [cell.answer for cell in row])
    ]
    said = await arbiter.judge(cases, models, store)
    return sum(verdict is None for verdict in said), len(said)


async def agreement(
    work: Work, matrix: Matrix, models: Models, store: OutcomeStore, most: int = 60
) -> tuple[float, int, int]:
    """Tell how often the arbiter says of smaller tiers' answers what the exact graders say.

    Returns the share, of how many answers, half of them right where there are so many, and of how
    many it said neither yes nor no, which counts as no.
    """
    places = [
        (place, tier)
        for tier in range(len(matrix.tiers) - 1)
        for place, prompt in enumerate(matrix.prompts)
        if not prompt.is_ungraded
    ]
    rights = [p for p in places if matrix.rows[p[0]][p[1]].is_right][: most // 2]
    wrongs = [p for p in places if not matrix.rows[p[0]][p[1]].is_right][: most // 2]
    cases = [
        Case(matrix.prompts[i].prompt, matrix.rows[i][tier].answer, matrix.rows[i][-1].answer)
        for i, tier in (*rights, *wrongs)
    ]
    if not cases:
        return 0.0, 0, 0
    arbiter = Arbiter(work.tiers[-1], work.identities[-1], work.num_at_once)
    said = await arbiter.judge(cases, models, store)
    truths = [True] * len(rights) + [False] * len(wrongs)
    same = sum(_is_yes(p) == truth for p, truth in zip(said, truths, strict=True))
    return same / len(cases), len(cases), sum(verdict is None for verdict in said)


async def self_verified(
    work: Work, matrix: Matrix, models: Models, store: OutcomeStore
) -> list[Floats]:
    """Let every tier but the top one say how likely its own answers are right (AutoMix).

    Returns one array of n probabilities a tier.
    """
    said = []
    for index, tier in enumerate(work.tiers[:-1]):
        cases = [
            Case(prompt.question, row[index].answer)
            for prompt, row in zip(matrix.prompts, matrix.rows, strict=True)
        ]
        arbiter = Arbiter(tier, work.identities[index], work.num_at_once)
        verdicts = await arbiter.judge(cases, models, store)
        said.append(np.array([0.0 if verdict is None else verdict for verdict in verdicts]))
    return said
