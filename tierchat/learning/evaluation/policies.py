"""Policies replayed on an outcome matrix: exact, because decoding was greedy.

Does not know how probabilities were estimated. Every visited tier is charged, discarded tokens
included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tierchat.gates.row_gate import STAGES, Guess, RowGates, TierCosts, choose, mixed
from tierchat.learning.evaluation import metrics
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.types import Stage

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
# By (tier, stage): what a gate expects there, arrays of shape (n, tiers from that tier up).
Estimates = Mapping[tuple[int, Stage], Guess]
COST_WEIGHTS = (0.0, *np.geomspace(1e-3, 30.0, 60))


@dataclass(frozen=True)
class Walk:
    """How one policy went, per prompt: the last tier visited, right or not, and what it cost.

    `cost` is relative to the top tier's mean; `discarded` counts the tokens of tiers whose work
    was thrown away, `hop_generated` the generated ones among them. Where `refused`, the last tier
    gave the prompt up too, and nothing was answered.
    """

    tier: Ints
    right: Bools
    cost: Floats
    tokens: Floats
    discarded: Floats
    num_hops: Ints
    hop_generated: Floats
    refused: Bools

    def point(self, weights: Floats | None = None) -> tuple[float, float]:
        """Return (mean cost, share of right answers)."""
        return float(np.average(self.cost, weights=weights)), float(
            np.average(self.right, weights=weights)
        )

    def answered_by(self, tier: int) -> Bools:
        """Mark the prompts that a tier answered."""
        marked: Bools = (self.tier == tier) & ~self.refused
        return marked


def follow(
    matrix: Matrix,
    steps: Ints,
    written: Floats,
    *,
    first: Ints | int = 0,
    spent: Floats | None = None,
) -> Walk:
    """Send every prompt up from tier `first`, or from its own one, and charge all that it visits.

    All arrays have shape (n, k). `steps` says how many tiers a prompt goes up from each tier: 0
    answers there, a step beyond the top tier refuses the prompt. `written` counts the tokens that
    a tier generates until then. `spent` counts all tokens of a visit; the default is the tier's
    prompt and `written`.
    """
    num, num_tiers = steps.shape
    spent = matrix.prompt_tokens + written if spent is None else spent
    charged = np.array(matrix.parameters) * spent / matrix.unit()
    at, last, done = np.full(num, first, np.intp), np.full(num, first, np.intp), np.zeros(num, bool)
    cost, tokens, discarded, hop_generated = (np.zeros(num) for _ in range(4))
    num_hops = np.zeros(num, np.intp)
    for tier in range(num_tiers):
        here = (at == tier) & ~done
        leaves = here & (steps[:, tier] > 0)
        last[here] = tier
        cost[here] += charged[here, tier]
        tokens[here] += spent[here, tier]
        discarded[leaves] += spent[leaves, tier]
        at[leaves] += steps[leaves, tier]
        hops = leaves & (at < num_tiers)
        num_hops[hops] += 1
        hop_generated[hops] += written[hops, tier]
        done |= here & ~leaves
    right = done & matrix.right[np.arange(num), last]
    return Walk(last, right, cost, tokens, discarded, num_hops, hop_generated, ~done)


def walk(
    matrix: Matrix,
    estimates: Estimates,
    costs: TierCosts,
    cost_weight: float,
    stages: Sequence[Stage] = STAGES,
    *,
    jumps: bool = True,
) -> Walk:
    """Send every prompt up by value, deciding at the given stages.

    Without the stage `unread` every prompt begins at the lowest tier.
    """
    prompt_tokens, generated = matrix.prompt_tokens, matrix.generated_tokens
    first: Ints | int = 0
    if "unread" in stages:
        whole = estimates[0, "unread"]
        assert whole.prompt_tokens is not None
        alone = costs.unread(whole.prompt_tokens, whole.generated)
        first = choose(whole.right, alone, cost_weight)
    steps, written = np.zeros(generated.shape, np.intp), generated.copy()
    for tier in range(len(matrix.tiers) - 1):
        # From the last stage to the first, so that the earliest decision to go up counts.
        for stage in [stage for stage in reversed(STAGES) if stage in stages]:
            guess = estimates[tier, stage]
            ahead = costs.ahead(tier, stage, prompt_tokens[:, tier], guess.generated)
            step = choose(guess.right, ahead, cost_weight)
            if guess.is_unlike is not None:
                step = np.maximum(step, guess.is_unlike)
            goes = step > 0
            steps[goes, tier] = step[goes] if jumps else 1
            written[goes, tier] = _written(stage, generated[goes, tier], matrix.hold_back)
    return follow(matrix, steps, written, first=first)


def _written(stage: Stage, generated: Floats, hold_back: int) -> Floats:
    if stage == "prefill":
        return np.zeros_like(generated)
    # The token drawn beside the second reading is never computed.
    return np.minimum(generated, hold_back - 1) if stage == "first" else generated


def frontier(
    matrix: Matrix,
    estimates: Estimates,
    costs: TierCosts,
    stages: Sequence[Stage] = STAGES,
    *,
    jumps: bool = True,
) -> list[Walk]:
    """Walk at every cost weight, from quality at any cost to the lowest cost."""
    return [walk(matrix, estimates, costs, w, stages, jumps=jumps) for w in COST_WEIGHTS]


def gated(
    matrix: Matrix,
    estimates: Estimates,
    gates: RowGates,
    weights: Sequence[float] = COST_WEIGHTS,
) -> list[Walk]:
    """Walk at every cost weight as the learned gates would."""
    estimates = as_used(gates, estimates)
    return [
        walk(matrix, estimates, gates.costs, weight, gates.decisions, jumps=gates.jumps)
        for weight in weights
    ]


def as_used(gates: RowGates, estimates: Estimates) -> Estimates:
    """Return what gates decide by: estimates of rows, mixed with those of letters if they have any.

    `estimates` are of each by itself, as `fit.predict` returns them.
    """
    if gates.unread is None:
        return estimates
    letters = estimates[0, "unread"]
    return {
        (tier, stage): guess
        if stage == "unread"
        else replace(guess, right=mixed(guess.right, letters.right[:, tier:]))
        for (tier, stage), guess in estimates.items()
    }


def points(walks: Sequence[Walk], weights: Floats | None = None) -> Floats:
    """Return (cost, quality) of each walk, shape (n, 2)."""
    return np.array([w.point(weights) for w in walks])


def nhg_of(matrix: Matrix, walks: Sequence[Walk]) -> Callable[[Floats], float]:
    """Return NHG as a function of prompt weights.

    Every policy may be mixed with single tiers at random, so NHG is never below 0.
    """
    singly, perfectly = singles(matrix), oracle(matrix)
    tables = [_table(part) for part in ((*walks, *singly), singly, perfectly)]

    def statistic(weights: Floats) -> float:
        shares = weights / weights.sum()
        return metrics.nhg(*(table @ shares for table in tables))

    return statistic


def nhg(
    matrix: Matrix, walks: Sequence[Walk], num_resamples: int = 0
) -> tuple[float, float, float]:
    """Return the NHG of a frontier with its 95 % interval over question groups."""
    statistic = nhg_of(matrix, walks)
    if not num_resamples:
        value = statistic(np.ones(len(matrix.rows)))
        return value, value, value
    return metrics.bootstrap(statistic, matrix.groups, num=num_resamples)


def _table(walks: Sequence[Walk]) -> Floats:
    """Stack costs and grades, shape (walks, 2, prompts), each distinct walk once."""
    rows = np.stack([np.stack((walk.cost, walk.right.astype(float))) for walk in walks])
    distinct: Floats = np.unique(rows, axis=0)
    return distinct


def alone(matrix: Matrix, tier: int) -> Walk:
    """Ask one tier only."""
    return pick(matrix, np.full(len(matrix.rows), tier, np.intp))


def singles(matrix: Matrix) -> list[Walk]:
    """Ask each tier alone."""
    return [alone(matrix, tier) for tier in range(len(matrix.tiers))]


def oracle(matrix: Matrix) -> list[Walk]:
    """Ask the tier of the greatest true value and no other, for every cost weight."""
    costs, right = matrix.costs(), matrix.right
    walks = []
    for weight in COST_WEIGHTS:
        # A tiny cost weight lets the cheapest of the right tiers win.
        best = np.argmax(right - max(weight, 1e-9) * costs, axis=1)
        walks.append(pick(matrix, best))
    return walks


def pick(matrix: Matrix, tier: Ints) -> Walk:
    """Ask only the given tier for each prompt; `tier` has shape (n,)."""
    index = np.arange(len(tier))
    tokens = (matrix.prompt_tokens + matrix.generated_tokens)[index, tier]
    none = np.zeros(len(tier))
    return Walk(
        tier=tier,
        right=matrix.right[index, tier],
        cost=matrix.costs()[index, tier],
        tokens=tokens,
        discarded=none,
        num_hops=none.astype(np.intp),
        hop_generated=none,
        refused=none.astype(bool),
    )
