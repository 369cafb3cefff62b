"""Fill an outcome matrix: every tier answers every prompt once, and the store keeps the answers.

Does not know policies or fitting. Models run as the daemon runs them, batched, in workers.
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tierchat.learning.outcomes.arbiter import Arbiter
from tierchat.learning.outcomes.arbiter_verdicts import judge_ungraded
from tierchat.learning.outcomes.cells import Cells
from tierchat.learning.outcomes.filling import Filling
from tierchat.learning.outcomes.grading import grade_all
from tierchat.learning.outcomes.matrix import Cell, Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.work import Models, Stored, Work

# A portion of the prompts is answered by all tiers before the next: large enough that tiers which
# take turns in memory are seldom loaded, small enough that little is lost when time is up.
_PORTION_S = 60.0
_MAX_PORTION = 512
# An answer that was cut is graded as it stands.
_GRADED = ("stop", "length")


async def collect(
    work: Work,
    prompts: Sequence[GradedPrompt],
    models: Models,
    store: OutcomeStore,
    on_cell: Callable[[int, int], None],
    until_s: float = math.inf,
) -> Matrix:
    """Return the matrix; only cells that the store lacks are run.

    `on_cell` gets the number of finished cells and the number of all. A prompt that is too long
    for a tier is left out of the matrix, and when the monotonic clock shows `until_s`, every
    prompt that is not answered and graded by then. Raises what a worker fails with; finished cells
    are kept.
    """
    cells = Cells(work, prompts, store)
    verdicts: dict[tuple[int, int], bool] = {}
    _tell(cells, on_cell)
    on_done = functools.partial(_tell, cells, on_cell)
    await _until(until_s, _fill(cells, models, on_done, verdicts))
    parameters = [0.0] * len(work.tiers)
    if cells.whole_rows():
        # Without a row nobody reads them, and a model may never have been loaded.
        parameters = [await _parameters(models, tier.model) for tier in work.tiers]
    return _assemble(cells, await _graded(cells, verdicts), parameters)


async def run_tier(
    work: Work,
    prompts: Sequence[GradedPrompt],
    models: Models,
    store: OutcomeStore,
    on_cell: Callable[[int, int], None],
    until_s: float = math.inf,
) -> list[Stored | None]:
    """Return the cells of the only tier of some work, not graded; None where time was up."""
    cells = Cells(work, prompts, store)
    _tell(cells, on_cell)
    filling = Filling(cells, models, functools.partial(_tell, cells, on_cell))
    await _until(until_s, filling.run(cells.missing_rows()))
    whole = set(cells.whole_rows())
    return [cells.of(row)[0] if row in whole else None for row in range(len(prompts))]


def _tell(cells: Cells, on_cell: Callable[[int, int], None]) -> None:
    on_cell(cells.num_known, cells.num_wanted)


async def _until(ends_s: float, work: Awaitable[None]) -> None:
    """Wait for some work until the monotonic clock shows `ends_s`, and cancel it then."""
    left_s = None if ends_s == math.inf else ends_s - time.monotonic()
    try:
        async with asyncio.timeout(left_s) as limit:
            await work
    except TimeoutError:
        if not limit.expired():
            raise


async def _fill(
    cells: Cells,
    models: Models,
    on_done: Callable[[], None],
    verdicts: dict[tuple[int, int], bool],
) -> None:
    """Run and judge what is missing, a portion at a time; cancelling it keeps what is there."""
    work, store = cells.work, cells.store
    arbiter = Arbiter(work.tiers[-1], work.identities[-1], work.num_at_once)
    filling = Filling(cells, models, on_done)
    rows = cells.whole_rows()
    verdicts |= await judge_ungraded(arbiter, cells.prompts, cells.answers(rows), models, store)
    left, size = cells.missing_rows(), work.num_at_once
    while left:
        portion, left, began_s = left[:size], left[size:], time.monotonic()
        await filling.run(portion)
        answers = cells.answers(portion)
        verdicts |= await judge_ungraded(arbiter, cells.prompts, answers, models, store)
        pace_s = max(time.monotonic() - began_s, 1e-3) / len(portion)
        size = min(_MAX_PORTION, max(work.num_at_once, int(_PORTION_S / pace_s)))


async def _parameters(models: Models, model: str) -> float:
    if models.info(model) is None:
        await models.load(model)
    info = models.info(model)
    assert info is not None
    return float(info.parameters)


async def _graded(
    cells: Cells, verdicts: Mapping[tuple[int, int], bool]
) -> dict[tuple[int, int], bool | None]:
    """Grade the whole rows; returns grades by (row, tier), None where one is still to be judged."""
    places = [(row, tier) for row in cells.whole_rows() for tier in range(len(cells.work.tiers))]
    answers = [(cells.prompts[row], cells.of(row)[tier]) for row, tier in places]
    grades = await grade_all([(prompt, one.answer) for prompt, one in answers], cells.store)
    return {
        place: _grade(prompt, one, grade, verdicts.get(place))
        for place, (prompt, one), grade in zip(places, answers, grades, strict=True)
    }


def _assemble(
    cells: Cells,
    graded: Mapping[tuple[int, int], bool | None],
    parameters: Sequence[float],
) -> Matrix:
    rows, kept = [], []
    for row in cells.whole_rows():
        prompt, stored = cells.prompts[row], cells.of(row)
        grades = [graded[row, tier] for tier in range(len(stored))]
        # A prompt that some tier cannot read teaches gates nothing: the cascade skips that tier.
        if None not in grades and all(answer.probe.first_hidden for answer in stored):
            rows.append(tuple(_cell(s, bool(g)) for s, g in zip(stored, grades, strict=True)))
            kept.append(prompt)
    work = cells.work
    return Matrix(
        tiers=tuple(tier.name for tier in work.tiers),
        parameters=tuple(parameters),
        prompts=tuple(kept),
        rows=tuple(rows),
        hold_back=work.hold_back,
    )


def _grade(
    prompt: GradedPrompt, stored: Stored, grade: bool | None, verdict: bool | None
) -> bool | None:
    """Return whether an answer is right; None where it is still to be judged."""
    if stored.reason not in _GRADED:
        return False
    if grade is None:
        return verdict if prompt.is_ungraded else False
    return grade


def _cell(stored: Stored, is_right: bool) -> Cell:
    return Cell(
        is_right=is_right,
        answer=stored.answer,
        num_prompt_tokens=stored.num_prompt_tokens,
        num_generated_tokens=stored.num_generated_tokens,
        seconds=stored.seconds,
        probe=stored.probe,
        answer_min_logprob=stored.answer_min_logprob,
    )
