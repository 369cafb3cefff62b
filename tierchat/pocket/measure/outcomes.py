"""The outcome matrix of the bundled models: every tier on every question, by worker processes.

Does not know policies. Escalation is forbidden while the matrix is filled; how much a tier wished
to escalate is recorded beside its answer.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tierchat.errors import ContextTooLong
from tierchat.learning.evaluation.policies import Bools
from tierchat.learning.evaluation.token_policy import TokenLimits
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.model_files import work_of_files, workers_of_files
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import open_store
from tierchat.paths import Paths
from tierchat.pocket.measure.questions import OUTSIDE, Question

TIERS = ("XS", "S", "M")
_MAX_TOKENS = 256
_TELL_EVERY_S = 5.0
# No tier can answer a question from outside: only the wish to escalate is looked at.
_MAX_TOKENS_OUTSIDE = 1


@dataclass(frozen=True)
class Measured:
    """An outcome matrix with the group of each of its rows, and the thresholds of its tiers."""

    matrix: Matrix
    groups: tuple[str, ...]
    limits: tuple[TokenLimits, ...]

    @property
    def is_outside(self) -> Bools:
        """Mark the questions that no tier can answer, shape (n,)."""
        return np.array([group == OUTSIDE for group in self.groups])

    def part(self, group: str) -> Matrix:
        """Return the rows of one group."""
        return self.matrix.take([i for i, name in enumerate(self.groups) if name == group])


def run_tiers(folder: Path, questions: Sequence[Question], paths: Paths) -> Measured:
    """Run the XS, S and M of a folder on every question, those from outside last.

    What a person should know of how the models were loaded goes to stderr. Raises what a worker
    fails with, and ContextTooLong when a model cannot read a question.
    """
    return asyncio.run(_run_tiers(folder, questions, paths))


async def _run_tiers(folder: Path, questions: Sequence[Question], paths: Paths) -> Measured:
    files = {name: folder / f"pocket-{name.lower()}.gguf" for name in TIERS}
    within = [question for question in questions if question.group != OUTSIDE]
    outside = [question for question in questions if question.group == OUTSIDE]
    async with workers_of_files(files, paths) as pool:
        with (
            tempfile.TemporaryDirectory() as directory,
            open_store(Path(directory) / "outcomes.sqlite") as store,
        ):

            async def fill(part: Sequence[Question], max_tokens: int) -> Matrix:
                work = work_of_files(files, paths, max_tokens)
                prompts = [question.prompt for question in part]
                return _all_of(prompts, await collect(work, prompts, pool, store, _Told()))

            first, last = await fill(within, _MAX_TOKENS), await fill(outside, _MAX_TOKENS_OUTSIDE)
        infos = [pool.info(name) for name in TIERS]
        for notice in dict.fromkeys(filter(None, map(pool.take_notice, TIERS))):
            print(notice, file=sys.stderr)
    return Measured(
        replace(first, prompts=first.prompts + last.prompts, rows=first.rows + last.rows),
        tuple(question.group for question in (*within, *outside)),
        tuple(TokenLimits.of(info) for info in infos if info),
    )


class _Told:
    """Says on stderr every few seconds how far the answers are; the tables come at the end."""

    def __init__(self) -> None:
        self._began_s = self._told_s = time.monotonic()

    def __call__(self, num_done: int, num_all: int) -> None:
        now_s = time.monotonic()
        if num_done and now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            left_s = (now_s - self._began_s) / num_done * (num_all - num_done)
            print(
                f"{num_done:,} of {num_all:,} answers, {left_s:.0f} s left",
                file=sys.stderr,
                flush=True,
            )


def _all_of(prompts: Sequence[GradedPrompt], matrix: Matrix) -> Matrix:
    """Return the matrix unless a prompt is missing from it."""
    num_missing = len(prompts) - len(matrix.prompts)
    if num_missing:
        raise ContextTooLong(f"{num_missing} questions are longer than the context of a model")
    return matrix
