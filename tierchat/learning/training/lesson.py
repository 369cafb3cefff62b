"""One lesson: run the rounds on a real cascade and write its gate file.

Store, pool and rounds meet here. Does not know terminals or where prompts come from.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tierchat.gates import files as gate_files
from tierchat.gates.files import GateHead, GateReport, GateTier, Tradeoff
from tierchat.learning.evaluation import metrics, policies
from tierchat.learning.evaluation.promise import PROMISE_WEIGHTS, tradeoffs
from tierchat.learning.outcomes.cells import Cells
from tierchat.learning.outcomes.collect import collect, run_tier
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.talks import with_follow_ups
from tierchat.learning.outcomes.work import Models, Work
from tierchat.learning.training.teaching import Taught

_NUM_RESAMPLES = 200


class LessonAnswers:
    """Answers by real workers; finished ones are saved in the store as they come."""

    def __init__(
        self, work: Work, models: Models, store: OutcomeStore, on_cell: Callable[[int, int], None]
    ) -> None:
        self._work, self._models, self._store, self._on_cell = work, models, store, on_cell
        # To choose prompts it is enough to read them.
        self._lowest = replace(work.only(0), max_answer=1)

    async def collect(self, prompts: Sequence[GradedPrompt], until_s: float) -> Matrix:
        return await self._collect(self._work, prompts, until_s)

    async def collect_lowest(self, prompts: Sequence[GradedPrompt], until_s: float) -> Matrix:
        return await self._collect(self._lowest, prompts, until_s)

    async def follow_ups(
        self, prompts: Sequence[GradedPrompt], seed: int, until_s: float
    ) -> list[GradedPrompt]:
        """Return the prompts and the next turns of those that have some."""

        async def answers_of(tier: int, asked: Sequence[GradedPrompt]) -> list[str]:
            work = self._work.only(tier)
            cells = await run_tier(work, asked, self._models, self._store, self._on_cell, until_s)
            return [cell.answer if cell else "" for cell in cells]

        names = [tier.name for tier in self._work.tiers]
        return await with_follow_ups(prompts, names, answers_of, seed)

    def num_known(self, prompts: Sequence[GradedPrompt]) -> int:
        return len(Cells(self._work, prompts, self._store).whole_rows())

    async def _collect(self, work: Work, prompts: Sequence[GradedPrompt], until_s: float) -> Matrix:
        return await collect(work, prompts, self._models, self._store, self._on_cell, until_s)


def write(path: Path, cascade: str, work: Work, models: Models, taught: Taught) -> GateHead:
    """Write the gate file of a round's result and return its head."""
    head = GateHead(
        schema=gate_files.SCHEMA,
        cascade=cascade,
        tiers=tuple(_tier(work, index, models, taught) for index in range(len(work.tiers))),
        has_token=taught.fit.gates.has_token,
        jumps=taught.fit.gates.jumps,
        hold_back=work.hold_back,
        unit=taught.fit.gates.costs.unit,
        tradeoffs=_tradeoffs(taught),
        report=_report(taught),
        learned=tuple(sorted(set(taught.learned.groups))),
        num_follow_ups=sum(bool(prompt.answered_by) for prompt in taught.learned.prompts),
    )
    gate_files.save(path, head, taught.fit.gates)
    return head


def _tier(work: Work, index: int, models: Models, taught: Taught) -> GateTier:
    spec, costs = work.tiers[index], taught.fit.gates.costs
    info = models.info(spec.model)
    head = taught.fit.gates.heads[index, "prefill"]
    return GateTier(
        name=spec.name,
        model_sha256=work.identities[index].split()[0],
        quantisation=info.quantisation if info else "",
        template_sha256=info.template_sha256 if info else "",
        parameters=costs.parameters[index],
        generated=float(taught.learned.generated_tokens[:, index].mean()),
        num_features=len(head.mean),
    )


def _tradeoffs(taught: Taught) -> tuple[Tradeoff, ...]:
    """Walk the held-out prompts at every cost weight; quality is relative to the top tier."""
    matrix = taught.held_out
    walks = policies.gated(matrix, taught.estimates, taught.fit.gates, PROMISE_WEIGHTS)
    return tradeoffs(matrix, walks)


def _report(taught: Taught) -> GateReport:
    matrix, right = taught.held_out, taught.held_out.right
    auroc, ece = {}, {}
    used = policies.as_used(taught.fit.gates, taught.estimates)
    for (tier, stage), guess in used.items():
        if stage == "unread":
            continue
        name, own = matrix.tiers[tier], guess.right[:, 0]
        auroc[f"{name} {stage}"] = _finite(metrics.auroc(own, right[:, tier]))
        ece[f"{name} {stage}"] = metrics.ece(own, right[:, tier])
    walks = policies.gated(matrix, taught.estimates, taught.fit.gates)
    interval = policies.nhg(matrix, walks, _NUM_RESAMPLES)
    data = hashlib.sha256("".join(sorted(p.digest for p in taught.learned.prompts)).encode())
    return GateReport(
        date=datetime.date.today().isoformat(),
        data_sha256=data.hexdigest(),
        num_prompts=len(taught.learned.prompts),
        num_held_out=len(matrix.prompts),
        num_groups=len(set(taught.learned.groups)),
        num_rounds=len(taught.rounds),
        seconds=taught.rounds[-1].seconds,
        nhg=interval,
        auroc=auroc,
        ece=ece,
        curve=tuple((r.num_prompts, r.nhg) for r in taught.rounds),
    )


def _finite(value: float) -> float:
    return value if np.isfinite(value) else 0.5
