"""Runs the cells that are missing, a full batch at a time, and saves them.

Does not know grades.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tierchat.errors import ContextTooLong
from tierchat.gates.order import GateOrder, Probe
from tierchat.learning.outcomes.cells import Cells
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.side_by_side import side_by_side
from tierchat.learning.outcomes.work import Models, Stored, Work
from tierchat.types import Signals
from tierchat.workers.complete import complete
from tierchat.workers.protocol import Generate

_SAVE_EVERY = 64
_NO_PROBE = Probe(
    first=Signals(),
    first_hidden=b"",
    second=Signals(),
    second_hidden=b"",
    logprobs=(),
    prompt_tokens=(),
)


def order_for(work: Work, tier: int, prompt: GradedPrompt, max_tokens: int) -> Generate:
    """Ask a tier for an answer that is drawn greedily and may not escalate, and for all signals."""
    spec = work.tiers[tier]
    return Generate(
        id=0,
        messages=prompt.messages,
        sampling=msgspec.structs.replace(spec.sampling, temperature=0, max_tokens=max_tokens),
        think=spec.think,
        gate=GateOrder(kind="token", hold="answer", hold_back=work.hold_back),
        probe=True,
    )


class Filling:
    """Fills the cells of some prompts, the top tier's first: its answers bound the others."""

    def __init__(self, cells: Cells, models: Models, on_done: Callable[[], None]) -> None:
        self._cells, self._models, self._on_done = cells, models, on_done
        self._unsaved: list[tuple[bytes, bytes]] = []

    async def run(self, rows: Sequence[int]) -> None:
        """Answer prompts by all tiers; what is finished is saved even after a failure or an end."""
        last = len(self._cells.work.tiers) - 1
        for tier in (last, *range(last)):
            if missing := self._cells.missing(tier, rows):
                await self._fill(tier, missing)

    async def _fill(self, tier: int, rows: Sequence[int]) -> None:
        async def answer(row: int) -> None:
            stored = await self._answer(tier, row)
            self._unsaved.append(self._cells.take(row, tier, stored))
            if len(self._unsaved) >= _SAVE_EVERY:
                self._save()
            self._on_done()

        try:
            await side_by_side(answer, rows, self._cells.work.num_at_once)
        finally:
            self._save()

    def _save(self) -> None:
        self._cells.store.save(self._unsaved)
        self._unsaved = []

    async def _answer(self, tier: int, row: int) -> Stored:
        work, bound = self._cells.work, self._cells.bound(row, tier)
        order = order_for(work, tier, self._cells.prompts[row], bound)
        try:
            completed = await complete(self._models, work.tiers[tier].model, order)
        except ContextTooLong as error:
            return Stored(
                answer="",
                reason=error.code,
                num_prompt_tokens=error.num_tokens,
                num_generated_tokens=0,
                seconds=0.0,
                probe=_NO_PROBE,
            )
        estimates = completed.verdict.estimates if completed.verdict else {}
        return Stored(
            answer=completed.answer,
            reason=completed.reason,
            num_prompt_tokens=completed.usage.prompt_tokens,
            num_generated_tokens=completed.usage.generated_tokens,
            seconds=completed.usage.seconds,
            probe=completed.probe or _NO_PROBE,
            answer_min_logprob=estimates.get("answer_min_logprob"),
        )
