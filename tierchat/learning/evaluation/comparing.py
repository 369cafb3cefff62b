"""What a comparison with other policies has to collect first: outcomes to learn from, and replies.

Only what the chosen controls need is asked. Does not know terminals or how controls work.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tierchat.learning.evaluation.controls.names import (
    ControlSpec,
    topics_of,
    topics_of_learned,
)
from tierchat.learning.evaluation.controls.study import Study
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.questions import Said, ask_tiers
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.topics import Topic
from tierchat.learning.outcomes.work import Models, Work

# Starts to show a phase by its name; the phase reports how much is done, and of how much.
Phase = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
# Shares in a few bins do not become much better with more replies than this from each tier.
MAX_ASKED_LEARNED = 300
_TITLES: dict[Topic, str] = {
    "is-right": "questions about answers",
    "unsure": "questions about doubt",
}


@dataclass(frozen=True)
class Collecting:
    """Where outcomes and replies come from; what the store has is not asked again."""

    work: Work
    models: Models
    store: OutcomeStore
    phase: Phase

    async def outcomes(self, prompts: Sequence[GradedPrompt], title: str) -> Matrix:
        """Let every tier answer every prompt."""
        with self.phase(title) as tell:
            return await collect(self.work, prompts, self.models, self.store, tell)

    async def study(
        self, specs: Sequence[ControlSpec], judged: Matrix, seen: Sequence[GradedPrompt]
    ) -> Study:
        """Collect what these controls need; they learn from `seen` if any of them learns."""
        learned = judged.take(())
        if any(spec.learns for spec in specs):
            learned = await self.outcomes(seen, "answers to learn from")
        said = {topic: await self.ask(judged, topic) for topic in topics_of(specs)}
        said_of_learned = {
            topic: await self.ask(learned, topic, sample(learned))
            for topic in topics_of_learned(specs)
        }
        return Study(learned, judged, said, said_of_learned)

    async def ask(self, matrix: Matrix, topic: Topic, rows: Sequence[int] | None = None) -> Said:
        """Ask every tier but the top one about these rows, or all."""
        with self.phase(_TITLES[topic]) as tell:
            return await ask_tiers(
                self.work, matrix, topic, self.models, self.store, on_reply=tell, rows=rows
            )


def sample(matrix: Matrix, num: int = MAX_ASKED_LEARNED, seed: int = 0) -> list[int]:
    """Choose at most `num` rows to ask about, the same in every run."""
    everything = range(len(matrix.rows))
    return sorted(random.Random(seed).sample(everything, min(num, len(everything))))
