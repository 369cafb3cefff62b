"""The rounds of a lesson: answer and grade a batch, fit, measure on held-out groups, and choose the
next batch where the gate is least sure.

Does not know files, terminals or how models run: `Collect` is the seam.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierchat.gates.row_gate import RowGates
from tierchat.learning.evaluation import policies
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.training.fit import Fit, fit_gates, predict

Collect = Callable[[Sequence[GradedPrompt]], Awaitable[Matrix]]
_HELD_OUT_SHARE, _MAX_HELD_OUT = 0.25, 600
_FIRST_BATCH = 200
_RANDOM_SHARE = 0.5
_CANDIDATES_PER_CHOICE = 2
_MIN_GAIN = 0.01
_DOUBLINGS = 3
_USUAL_COST_WEIGHT = 0.1


@dataclass(frozen=True)
class Budget:
    """When to stop at the latest; a curve that no longer moves ends the lesson earlier."""

    seconds: float
    max_prompts: int
    has_token: bool
    seed: int = 0


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
    collect: Collect,
    collect_lowest: Collect,
    budget: Budget,
) -> AsyncIterator[Taught]:
    """Yield the result of every round, until the curve stops moving or the budget is spent.

    `collect_lowest` answers with the lowest tier only, which is cheap. At least one round is run,
    however small the budget.
    """
    began_s = time.monotonic()
    held_out_prompts, pool = split(prompts, budget.seed)
    held_out = await collect(held_out_prompts)
    chosen: list[GradedPrompt] = []
    randoms: set[str] = set()
    rounds: list[Round] = []
    fit: Fit | None = None
    estimates: policies.Estimates = {}
    while True:
        size = max(_FIRST_BATCH, len(chosen))
        size = min(size, budget.max_prompts - len(chosen), len(pool))
        batch, pool, drawn = await _next_batch(pool, size, fit, collect_lowest)
        chosen += batch
        randoms |= drawn
        learned = await collect(chosen)
        is_random = np.array([prompt.digest in randoms for prompt in learned.prompts])
        fit = fit_gates(learned, has_token=budget.has_token, representative=is_random)
        estimates = predict(fit.gates, held_out)
        fit = replace(fit, gates=choose_way(fit.gates, held_out, estimates))
        spent_s = time.monotonic() - began_s
        nhg = _nhg(held_out, fit.gates, estimates)
        rounds.append(Round(len(rounds) + 1, len(chosen), nhg, spent_s))
        yield Taught(fit, learned, held_out, estimates, tuple(rounds))
        is_out = spent_s > budget.seconds or len(chosen) >= budget.max_prompts or not pool
        if is_out or has_settled(rounds):
            return


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


def choose_way(gates: RowGates, held_out: Matrix, estimates: policies.Estimates) -> RowGates:
    """Choose whether the gates jump or climb and up to which stage they decide.

    Of the ways whose NHG on held-out prompts is within `_MIN_GAIN` of the best, the one with the
    fewest stages is taken, and jumping before climbing: a few hundred prompts cannot show a smaller
    gain, and a later decision costs the tokens before it.
    """
    ways = []
    for num_stages in range(1, len(gates.stages) + 1):
        kept = gates.stages[:num_stages]
        heads = {(tier, s): head for (tier, s), head in gates.heads.items() if s in kept}
        ways += [replace(gates, heads=heads, jumps=jumps) for jumps in (True, False)]
    gains = [_nhg(held_out, way, estimates) for way in ways]
    return next(w for w, gain in zip(ways, gains, strict=True) if gain > max(gains) - _MIN_GAIN)


def _nhg(matrix: Matrix, gates: RowGates, estimates: policies.Estimates) -> float:
    return policies.nhg(matrix, policies.gated(matrix, estimates, gates))[0]


async def _next_batch(
    pool: list[GradedPrompt],
    size: int,
    fit: Fit | None,
    collect_lowest: Collect,
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
    read = await collect_lowest(candidates)
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
