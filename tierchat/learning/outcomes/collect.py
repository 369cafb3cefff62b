"""Fill an outcome matrix: every tier answers every prompt once, and the store keeps the answers.

Does not know policies or fitting. Models run as the daemon runs them, batched, in workers.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tierchat.config.catalogue import TierSpec
from tierchat.errors import ContextTooLong
from tierchat.gates.order import GateOrder, Probe
from tierchat.learning.outcomes.arbiter import Arbiter
from tierchat.learning.outcomes.arbiter_verdicts import judge_ungraded
from tierchat.learning.outcomes.matrix import Cell, Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt, grade
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.work import Models, Stored, Work, key_of
from tierchat.types import Signals
from tierchat.workers.complete import complete
from tierchat.workers.protocol import Generate, ModelInfo

_SAVE_EVERY = 64
_MAX_TOKENS = 1024
_NO_PROBE = Probe(
    first=Signals(),
    first_hidden=b"",
    second=Signals(),
    second_hidden=b"",
    logprobs=(),
    prompt_tokens=(),
)


async def collect(
    work: Work,
    prompts: Sequence[GradedPrompt],
    models: Models,
    store: OutcomeStore,
    on_cell: Callable[[int, int], None],
) -> Matrix:
    """Return the matrix; only cells that the store lacks are run.

    `on_cell` gets the number of finished cells and the number of all. A prompt that is too long
    for a tier is left out of the matrix. Raises what a worker fails with; finished cells are kept.
    """
    keys = [[key_of(work, tier, p) for p in prompts] for tier in range(len(work.tiers))]
    wanted = {key for column in keys for key in column}
    known = store.load(wanted)
    on_cell(len(known), len(wanted))
    for index, tier in enumerate(work.tiers):
        # A dictionary, as the same prompt may come twice.
        column = dict(zip(keys[index], prompts, strict=True))
        missing = [(key, prompt) for key, prompt in column.items() if key not in known]
        if missing:
            filling = _Filling(work, tier, models, store)
            await filling.run(missing, functools.partial(_report, on_cell, len(known), len(wanted)))
            known.update(filling.cells)
    arbiter = Arbiter(work.tiers[-1], work.identities[-1], work.num_at_once)
    verdicts = await judge_ungraded(arbiter, prompts, keys, known, models, store)
    infos = [models.info(tier.model) or await _informed(models, tier.model) for tier in work.tiers]
    return _assemble(work, prompts, keys, known, verdicts, infos)


def _report(on_cell: Callable[[int, int], None], before: int, total: int, num: int) -> None:
    on_cell(before + num, total)


async def _informed(models: Models, model: str) -> ModelInfo:
    await models.load(model)
    info = models.info(model)
    assert info is not None
    return info


class _Filling:
    """Runs one tier's missing cells, a full batch at a time, and saves them."""

    def __init__(self, work: Work, tier: TierSpec, models: Models, store: OutcomeStore) -> None:
        self._work, self._tier, self._models, self._store = work, tier, models, store
        self._unsaved: list[tuple[bytes, bytes]] = []
        self.cells: dict[bytes, bytes] = {}

    async def run(
        self, missing: Sequence[tuple[bytes, GradedPrompt]], on_done: Callable[[int], None]
    ) -> None:
        """Answer all prompts; finished answers are saved even after a failure or cancellation."""
        waiting = iter(missing)

        async def take() -> None:
            for key, prompt in waiting:
                value = msgspec.msgpack.encode(await self._answer(prompt))
                self.cells[key] = value
                self._unsaved.append((key, value))
                if len(self._unsaved) >= _SAVE_EVERY:
                    self._save()
                on_done(len(self.cells))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._work.num_at_once, len(missing))):
                    group.create_task(take())
        except* Exception as errors:
            raise errors.exceptions[0] from None
        finally:
            self._save()

    def _save(self) -> None:
        self._store.save(self._unsaved)
        self._unsaved = []

    async def _answer(self, prompt: GradedPrompt) -> Stored:
        order = Generate(
            id=0,
            messages=prompt.messages,
            sampling=msgspec.structs.replace(
                self._tier.sampling,
                temperature=0,
                max_tokens=prompt.max_tokens
                or max(self._tier.sampling.max_tokens or 0, 0)
                or _MAX_TOKENS,
            ),
            think=self._tier.think,
            gate=GateOrder(
                kind="token",
                hold="answer",
                hold_back=self._work.hold_back,
            ),
            probe=True,
        )
        try:
            completed = await complete(self._models, self._tier.model, order)
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


def _assemble(
    work: Work,
    prompts: Sequence[GradedPrompt],
    keys: Sequence[Sequence[bytes]],
    known: dict[bytes, bytes],
    verdicts: Mapping[tuple[int, int], bool],
    infos: Sequence[ModelInfo],
) -> Matrix:
    decoder = msgspec.msgpack.Decoder(Stored)
    rows, kept = [], []
    for row, prompt in enumerate(prompts):
        stored = [decoder.decode(known[column[row]]) for column in keys]
        # A prompt that some tier cannot read teaches gates nothing: the cascade skips that tier.
        if all(answer.probe.first_hidden for answer in stored):
            cells = (_cell(prompt, s, verdicts.get((row, tier))) for tier, s in enumerate(stored))
            rows.append(tuple(cells))
            kept.append(prompt)
    return Matrix(
        tiers=tuple(tier.name for tier in work.tiers),
        parameters=tuple(float(info.parameters) for info in infos),
        prompts=tuple(kept),
        rows=tuple(rows),
        hold_back=work.hold_back,
    )


def _cell(prompt: GradedPrompt, stored: Stored, verdict: bool | None) -> Cell:
    graded = grade(prompt, stored.answer)
    return Cell(
        is_right=stored.reason == "stop" and bool(verdict if graded is None else graded),
        answer=stored.answer,
        num_prompt_tokens=stored.num_prompt_tokens,
        num_generated_tokens=stored.num_generated_tokens,
        seconds=stored.seconds,
        probe=stored.probe,
        answer_min_logprob=stored.answer_min_logprob,
    )
