"""The held-out prompts of an evaluation, group by group.

Does not know models or policies.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.pocket.measure.graded import graded
from tierchat.pocket.recipe import contexts, dataset
from tierchat.pocket.recipe.dataset import ProblemSource
from tierchat.pocket.tasks import families as tasks
from tierchat.pocket.tasks import smalltalk
from tierchat.pocket.tasks.outside import Outside
from tierchat.pocket.tasks.problems import Problem
from tierchat.pocket.tasks.sides import Side, side_of
from tierchat.types import Message

OUTSIDE = "outside"
_MAX_DRAWS = 30


@dataclass(frozen=True)
class Question:
    """One prompt of an evaluation, and the group it is measured with."""

    group: str
    prompt: GradedPrompt


def draw_all(num_per_cell: int, seed: int, side: Side = "test") -> list[Question]:
    """Draw every group: the mix, held-out wordings, prompts in context, talk, out of domain.

    The prompts of the mix are distinct; small tables have fewer on their side than asked for.
    """
    rng, source = random.Random(seed), ProblemSource(side)
    mix = [p for cell in dataset.cells(side) for p in _distinct(source, rng, cell, num_per_cell)]
    drawn = [_ask("mix", problem) for problem in mix]
    drawn += [_ask("wordings", p) for p in _reworded(rng, num_per_cell // 2, side)]
    solvable = [problem for problem in mix if len(problem.prompt) < 200]
    drawn += [_chat(rng, source, rng.choice(solvable)) for _ in range(2 * num_per_cell)]
    drawn += [_long(rng, rng.choice(solvable)) for _ in range(num_per_cell)]
    drawn += [_piped(rng, rng.choice(solvable)) for _ in range(num_per_cell)]
    drawn += [_ask("talk", smalltalk.draw(rng)) for _ in range(num_per_cell)]
    drawn += [
        _ask("talk_held_out", smalltalk.draw(rng, held_out=True)) for _ in range(num_per_cell)
    ]
    outside = Outside(held_out=side == "test")
    drawn += [_ask(OUTSIDE, outside.draw(rng)) for _ in range(10 * num_per_cell)]
    return drawn


def _distinct(
    source: ProblemSource, rng: random.Random, cell: tuple[str, str], num: int
) -> list[Problem]:
    distinct: dict[str, Problem] = {}
    for _ in range(_MAX_DRAWS * num):
        problem = source.task(rng, cell)
        distinct.setdefault(problem.prompt, problem)
        if len(distinct) == num:
            break
    return list(distinct.values())


def _reworded(rng: random.Random, num: int, side: Side) -> list[Problem]:
    problems = []
    for family, level in tasks.cells():
        drawn = (tasks.draw(family, level, rng, "held_out") for _ in range(_MAX_DRAWS * num))
        problems += [p for p in drawn if side_of(p) == side][:num]
    return problems


def _ask(group: str, problem: Problem) -> Question:
    return Question(group, graded(problem))


def _chat(rng: random.Random, source: ProblemSource, problem: Problem) -> Question:
    earlier: list[Message] = []
    for _ in range(2):
        turn = source.task(rng)
        earlier.append(Message(role="user", content=turn.prompt))
        earlier.append(Message(role="assistant", content=turn.answer or ""))
    return Question("chats", graded(problem, earlier=earlier))


def _piped(rng: random.Random, problem: Problem) -> Question:
    return Question("piped", graded(problem, contexts.piped(problem.prompt, rng, "held_out")))


def _long(rng: random.Random, problem: Problem) -> Question:
    rules = ("Be brief.", "Answer with the result.", "Be polite.", "Use plain words.")
    system = " ".join(rng.choice(rules) for _ in range(40))
    return Question("long", graded(problem, system=system))
