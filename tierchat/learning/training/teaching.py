"""The rounds of a lesson: answer and grade a batch, fit, measure on held-out groups, and choose the
next batch where the gate is least sure.

Does not know files, terminals or how models run: `Answers` is the seam.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from tierchat.errors import Timeout
from tierchat.gates.row_gate import RowGates
from tierchat.learning.evaluation import policies
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.training.clock import LessonClock
from tierchat.learning.training.fit import Fit, fit_gates, predict

_HELD_OUT_SHARE, _MAX_HELD_OUT = 0.25, 600
_FIRST_BATCH = 200
_RANDOM_SHARE = 0.5
_CANDIDATES_PER_CHOICE = 2
_MIN_GAIN = 0.01
_DOUBLINGS = 3
_USUAL_COST_WEIGHT = 0.1
# The prompts that show how fast the tiers answer.
_NUM_TIMED = 16
_MIN_HELD_OUT, _MIN_LEARNED = 8, 20
# A round that adds less than this share of the prompts is not worth another fit.
_LEAST_GROWTH = 0.1

# Called at the beginning of each phase: its name, and when it ends, as far as that is known.
Tell = Callable[[str, float | None], None]


def _say_nothing(_phase: str, _until_s: float | None) -> None:
    return


class Answers(Protocol):
    """Answers and grades prompts; those that are not finished at `until_s` are left out."""

    async def collect(self, prompts: Sequence[GradedPrompt], until_s: float) -> Matrix: ...

    async def collect_lowest(self, prompts: Sequence[GradedPrompt], until_s: float) -> Matrix:
        """Let the lowest tier alone read the prompts, which is cheap."""
        ...

    def num_known(self, prompts: Sequence[GradedPrompt]) -> int:
        """Count the prompts whose answers are there already."""
        ...


@dataclass(frozen=True)
class Budget:
    """When to stop at the latest; a curve that no longer moves ends the lesson earlier.

    With 0 `seconds` there is one round, however long it takes. `first_batch` is how many prompts
    the first round learns from.
    """

    seconds: float
    max_prompts: int
    has_token: bool
    seed: int = 0
    first_batch: int = _FIRST_BATCH


@dataclass(frozen=True)
class Round:
    """One round: how many prompts were learned from so far, and the NHG on held-out groups."""

    number: int
    num_prompts: int
    nhg: float
    seconds: float


@dataclass(frozen=True)
class Taught:
    """The result so far: the fit, its estimates on held-out groups, and the curve."""

    fit: Fit
    learned: Matrix
    held_out: Matrix
    estimates: policies.Estimates
    rounds: tuple[Round, ...]


async def teach(
    prompts: Sequence[GradedPrompt],
    answers: Answers,
    budget: Budget,
    tell: Tell = _say_nothing,
    counts: Mapping[str, int] | None = None,
) -> AsyncIterator[Taught]:
    """Yield the result of every round, until the curve stops moving or the budget is spent.

    `counts` says, by digest, how often a prompt counts in a fit; the others count once.
    Raises Timeout when the time was over before there was enough for a first fit.
    """
    clock = LessonClock(budget.seconds)
    held_out_prompts, pool = split(prompts, budget.seed)
    held_out_prompts = await _affordable(held_out_prompts, pool, answers, clock, tell)
    chosen: list[GradedPrompt] = []
    randoms: set[str] = set()
    rounds: list[Round] = []
    fit: Fit | None = None
    held_out: Matrix | None = None
    while True:
        number, until_s = len(rounds) + 1, clock.answers_until_s
        size = min(
            max(budget.first_batch, len(chosen)), budget.max_prompts - len(chosen), len(pool)
        )
        if rounds:
            size = _worth_while(size, len(chosen), clock)
        if not size:
            return
        tell(f"round {number}: answers", until_s)
        batch, pool, drawn = await _next_batch(pool, size, fit, answers, until_s)
        randoms |= drawn
        if held_out is None:
            # Side by side, so that there is something of both whenever the time is up.
            both = await answers.collect(mixed(held_out_prompts, batch), until_s)
            held_out, learned = _part(both, held_out_prompts), _part(both, batch)
            _refuse_too_few(held_out, learned)
        else:
            learned = await answers.collect([*chosen, *batch], until_s)
        chosen = [*chosen, *batch]
        tell(f"round {number}: fit", clock.fit_ends_s)
        with clock.fitting():
            counted = _counted(learned, counts or {})
            is_random = np.array([prompt.digest in randoms for prompt in counted.prompts])
            fit = fit_gates(counted, has_token=budget.has_token, representative=is_random)
            gates, estimates, nhg = choose_gates(fit.gates, held_out)
            fit = replace(fit, gates=gates)
        rounds.append(Round(number, len(learned.prompts), nhg, clock.spent_s))
        yield Taught(fit, learned, held_out, estimates, tuple(rounds))
        is_out = budget.seconds <= clock.spent_s or len(chosen) >= budget.max_prompts or not pool
        if is_out or has_settled(rounds):
            return


def _worth_while(size: int, num_chosen: int, clock: LessonClock) -> int:
    """Return how many prompts the next round can have; 0 where they are too few for a fit."""
    num = clock.affordable(size)
    return num if num >= min(size, _LEAST_GROWTH * num_chosen) else 0


def _part(matrix: Matrix, prompts: Sequence[GradedPrompt]) -> Matrix:
    names = {prompt.digest for prompt in prompts}
    return matrix.take([i for i, p in enumerate(matrix.prompts) if p.digest in names])


def _counted(matrix: Matrix, counts: Mapping[str, int]) -> Matrix:
    if not counts:
        return matrix
    rows = enumerate(matrix.prompts)
    return matrix.take([i for i, p in rows for _ in range(counts.get(p.digest, 1))])


def _refuse_too_few(held_out: Matrix, learned: Matrix) -> None:
    num = len(held_out.rows) + len(learned.rows)
    if len(held_out.rows) < _MIN_HELD_OUT or len(learned.rows) < _MIN_LEARNED:
        raise Timeout(
            f"the time was over when {num} prompts were answered by all tiers, too few for a gate",
            "run the same command to continue, or with more --minutes",
        )


async def _affordable(
    held_out: list[GradedPrompt],
    pool: Sequence[GradedPrompt],
    answers: Answers,
    clock: LessonClock,
    tell: Tell,
) -> list[GradedPrompt]:
    """Measure how fast the tiers answer, and return as many held-out prompts as the time allows."""
    tried = [*held_out[: _NUM_TIMED // 4], *pool[: _NUM_TIMED - _NUM_TIMED // 4]]
    num_new = len(tried) - answers.num_known(tried)
    if clock.ends_s == math.inf or num_new == 0:
        return held_out
    tell("speed of the tiers", clock.answers_until_s)
    began_s = time.monotonic()
    await answers.collect(tried, clock.answers_until_s)
    clock.seconds_per_prompt = (time.monotonic() - began_s) / num_new
    everything = [*held_out, *pool]
    num = clock.affordable(len(everything)) + answers.num_known(everything)
    return held_out[: max(_MIN_HELD_OUT, int(_HELD_OUT_SHARE * num))]


def mixed(held_out: Sequence[GradedPrompt], batch: Sequence[GradedPrompt]) -> list[GradedPrompt]:
    """Return both side by side, so that whatever part is answered holds something of both."""
    places = [
        (index / len(part), which, prompt)
        for which, part in enumerate((held_out, batch))
        for index, prompt in enumerate(part)
    ]
    return [prompt for _, _, prompt in sorted(places, key=lambda place: place[:2])]


def split(
    prompts: Sequence[GradedPrompt], seed: int
) -> tuple[list[GradedPrompt], list[GradedPrompt]]:
    """Set whole groups aside for measuring.

    Returns those prompts, and the prompts to learn from, with their groups shuffled.
    """
    rng = random.Random(seed)
    groups: dict[str, list[GradedPrompt]] = {}
    for prompt in prompts:
        groups.setdefault(prompt.group_name, []).append(prompt)
    names = sorted(groups)
    rng.shuffle(names)
    wanted = min(_MAX_HELD_OUT, max(1, int(len(prompts) * _HELD_OUT_SHARE)))
    held_out: list[GradedPrompt] = []
    while names and len(held_out) < wanted:
        held_out += groups[names.pop()]
    return held_out, [prompt for name in names for prompt in groups[name]]


def choose_gates(gates: RowGates, held_out: Matrix) -> tuple[RowGates, policies.Estimates, float]:
    """Choose the way, and how far the lesson reaches; returns gates, their estimates and NHG.

    Prompts beyond the usual reach go up, one in a hundred of the lesson's own kinds among them.
    Where small tiers are nearly free that costs more than all other mistakes; there the reach is
    that of the farthest prompt of the lesson.
    """
    found = []
    for reaching in (gates, gates.widened()):
        estimates = predict(reaching, held_out)
        way = choose_way(reaching, held_out, estimates)
        found.append((way, estimates, _nhg(held_out, way, estimates)))
    usual, wide = found
    return wide if wide[2] > usual[2] + _MIN_GAIN else usual


def choose_way(gates: RowGates, held_out: Matrix, estimates: policies.Estimates) -> RowGates:
    """Choose where prompts begin, whether the gates jump or climb, and their last stage.

    Of the ways whose NHG on held-out prompts is within `_MIN_GAIN` of the best, the one with the
    fewest stages is taken, one that chooses the first tier unread, and jumping before climbing: a
    few hundred prompts cannot show a smaller gain, and a later decision costs the tokens before it.
    """
    ways = []
    for num_stages in range(1, len(gates.stages) + 1):
        kept = gates.stages[:num_stages]
        heads = {(tier, s): head for (tier, s), head in gates.heads.items() if s in kept}
        for letters in dict.fromkeys((gates.unread, None)):
            way = replace(gates, heads=heads, unread=letters)
            ways += [replace(way, jumps=jumps) for jumps in (True, False)]
    gains = [_nhg(held_out, way, estimates) for way in ways]
    return next(w for w, gain in zip(ways, gains, strict=True) if gain > max(gains) - _MIN_GAIN)


def _nhg(matrix: Matrix, gates: RowGates, estimates: policies.Estimates) -> float:
    return policies.nhg(matrix, policies.gated(matrix, estimates, gates))[0]


async def _next_batch(
    pool: list[GradedPrompt],
    size: int,
    fit: Fit | None,
    answers: Answers,
    until_s: float,
) -> tuple[list[GradedPrompt], list[GradedPrompt], set[str]]:
    """Take half of a batch at random, for calibration, and half where the gate is least sure.

    Returns the batch, the prompts left, and the digests of those drawn at random.
    """
    if fit is None or size >= len(pool):
        return pool[:size], pool[size:], {prompt.digest for prompt in pool[:size]}
    num_random = int(size * _RANDOM_SHARE)
    randoms, rest = pool[:num_random], pool[num_random:]
    num_unsure = size - num_random
    candidates = rest[: _CANDIDATES_PER_CHOICE * num_unsure]
    read = await answers.collect_lowest(candidates, until_s)
    if not read.rows:
        return randoms, rest, {prompt.digest for prompt in randoms}
    head = fit.gates.heads[0, "prefill"]
    x = read.features(0, "prefill", has_token=fit.gates.has_token)
    # The gate is least sure where the two best choices are closest in value.
    guess = head.guess(x)
    costs = fit.gates.costs.ahead(0, "prefill", read.prompt_tokens[:, 0], guess.generated)
    values = np.sort(guess.right - _USUAL_COST_WEIGHT * costs, axis=1)
    gaps = values[:, -1] - values[:, -2]
    closest = np.argsort(gaps, kind="stable")[:num_unsure]
    taken = {read.prompts[i].digest for i in closest}
    unsure = [prompt for prompt in candidates if prompt.digest in taken]
    left = [prompt for prompt in rest if prompt.digest not in taken]
    return randoms + unsure, left, {prompt.digest for prompt in randoms}


def has_settled(rounds: Sequence[Round]) -> bool:
    """Return whether the last three doublings of the prompts gained less than `_MIN_GAIN`.

    A few hundred held-out prompts are too few to show the gain of a single doubling.
    """
    earlier, later = rounds[:-_DOUBLINGS], rounds[-_DOUBLINGS:]
    return bool(earlier) and max(r.nhg for r in later) - max(r.nhg for r in earlier) < _MIN_GAIN
