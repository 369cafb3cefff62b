"""The first mix of each tier: answers to what it can know, escalation of everything else, in rows.

Does not know models, optimisers or how the rounds label prompts for escalation (see `rounds`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from tierchat.pocket.recipe import contexts, dataset, tokenizer
from tierchat.pocket.recipe.dataset import Encoder, Example, ProblemSource, Rows
from tierchat.pocket.tasks import smalltalk
from tierchat.pocket.tasks.problems import Problem

ROW_LENGTH = 192
LONG_ROW = 384
# Small tables, but asked in one wording only: XS cannot know by heart what it has not met.
_NO_TABLE = ("count_bits/63", "gcd/20")
# A level with no more right answers than this is left to a higher tier, and drawn seldom.
_MIN_RIGHT, _SELDOM = 0.4, 0.1
# The share of escalated prompts that are also trained with escalation forbidden.
_FORCED = 0.15


def build_tokenizer(path: Path, seed: int = 0) -> None:
    """Learn the shared merges from texts of the training side: prompts, thoughts and answers."""
    rng, source = random.Random(seed), ProblemSource("train")
    texts: list[str] = []
    for _ in range(40_000):
        problem = source.task(rng)
        texts += [problem.prompt, problem.thought or "", problem.answer or ""]
    texts += [source.outside.draw(rng).prompt for _ in range(12_000)]
    for _ in range(4_000):
        problem = smalltalk.draw(rng)
        texts += [problem.prompt, problem.answer or ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.train(texts).save(str(path))


def answers(
    tier: str, encoder: Encoder, source: ProblemSource, rng: random.Random, in_context: float = 0.12
) -> Iterator[Example]:
    """Draw the first mix: answers to what the tier can know, and escalation of everything else.

    XS has no thoughts, so it escalates levels that need one from the start. A share `in_context`
    of the prompts is the last turn of a chat or follows a long system text.
    """
    for problem, escalate in _lessons(tier, source, rng):
        if rng.random() < in_context:
            yield contexts.in_context(problem, escalate, encoder, source, rng)
        else:
            yield encoder.example(contexts.quoted(problem, rng), escalate)
        if escalate and rng.random() < _FORCED:
            yield encoder.forced(problem)


def _lessons(
    tier: str, source: ProblemSource, rng: random.Random
) -> Iterator[tuple[Problem, bool]]:
    while True:
        kind = rng.random()
        if kind < (0.74 if tier == "xs" else 0.82):
            problem = source.task(rng)
            escalate = _is_above(tier, problem)
            # A tier needs only a part of the prompts that it escalates.
            if escalate and rng.random() < 0.5:
                continue
            yield problem, escalate
        elif kind < 0.88:
            if tier == "xs" or rng.random() < 0.3:
                yield smalltalk.draw(rng), False
        elif tier != "m" or rng.random() < 0.3:
            problem = source.outside.draw(rng)
            if rng.random() < 0.03:
                text = source.outside.long_text(rng, 500)
                problem = Problem("outside", "outside", "long", text, None)
            yield problem, True


def _is_above(tier: str, problem: Problem) -> bool:
    if tier == "xs":
        return not problem.is_easy or problem.cell in _NO_TABLE
    return tier == "s" and problem.is_hard


def weights_of(accuracies: Mapping[str, float]) -> dict[str, float]:
    """Weigh families and levels by how often they fail; those that mostly fail weigh little."""
    return {
        cell: 0.06 + (1 - right if right > _MIN_RIGHT else _SELDOM)
        for cell, right in accuracies.items()
    }


def make_shard(
    tier: str,
    encoder: Encoder,
    source: ProblemSource,
    seed: int,
    num_examples: int,
    length: int = ROW_LENGTH,
) -> Rows:
    """Pack one shard of the first mix; the same seed gives the same shard."""
    rng = random.Random(seed)
    stream = answers(tier, encoder, source, rng, 0.12 if length == ROW_LENGTH else 0.6)
    return dataset.pack((next(stream) for _ in range(num_examples)), length)


def shards_of(
    tier: str, encoder: Encoder, source: ProblemSource, seed: int, num_examples: int
) -> Iterator[Rows]:
    """Make shards without end; one in six has long rows, so that late positions are trained."""
    for number in itertools.count(1):
        length = LONG_ROW if number % 6 == 0 else ROW_LENGTH
        num = num_examples * ROW_LENGTH // length
        yield make_shard(tier, encoder, source, seed * 100_000 + number, num, length)
