"""The learned gate: calibrated rows on the frozen final hidden state, and a choice by value.

Does not know files, fitting or models. A worker and a replay make the same choice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import numpy.typing as npt

from tierchat.gates.landmarks import Landmarks
from tierchat.gates.order import GateOrder
from tierchat.gates.signals import Reading, features
from tierchat.gates.token_gate import TokenGate
from tierchat.gates.unread import UnreadRows
from tierchat.gates.wait_limit import WaitLimit
from tierchat.types import Stage, Verdict

Floats = npt.NDArray[np.float64]
# If no tier is likelier than this to be right, the escalate token decides.
_NO_TIER = 0.1
# Features are clipped to this many standard deviations.
FAR = 8.0
STAGES: tuple[Stage, ...] = ("prefill", "first", "answer")


@dataclass(frozen=True)
class Row:
    """A linear score and its calibration: knots of a non-decreasing map to a probability.

    The score is one of standardised features, or of nearness to landmarks.
    """

    weights: Floats
    bias: float
    scores: Floats
    probabilities: Floats

    def probability(self, x: Floats) -> Floats:
        """Map features, shape (..., num_features), to probabilities, shape (...)."""
        found: Floats = np.interp(x @ self.weights + self.bias, self.scores, self.probabilities)
        return found


@dataclass(frozen=True)
class Guess:
    """Expectations of a tier and of each tier above, along the last axis.

    `right` are the probabilities of a right answer, `generated` are tokens. `is_unlike`, without
    the last axis, marks prompts that are unlike the lesson; None where that was not measured.
    `prompt_tokens`, with a last axis of 1, are expected where nobody has read the prompt yet.
    """

    right: Floats
    generated: Floats
    is_unlike: npt.NDArray[np.bool_] | None = None
    prompt_tokens: Floats | None = None


@dataclass(frozen=True)
class Reach:
    """How far a lesson reaches: the directions in which its prompts differ from each other.

    `directions`, shape (num_wide, rank), are orthonormal. What is left outside of them of a
    prompt's first `num_wide` standardised features, as a sum of squares, is above `limit` for one
    in a hundred prompts of the lesson's kinds, and for many prompts of other kinds. A lesson also
    knows what its `farthest` prompt left outside.
    """

    directions: Floats
    limit: float
    farthest: float | None = None

    def widened(self) -> Reach:
        """Return the reach with its farthest prompt as the limit."""
        return self if self.farthest is None else replace(self, limit=self.farthest)

    def is_beyond(self, scaled: Floats) -> npt.NDArray[np.bool_]:
        """Mark features, shape (..., num_features), that the lesson does not reach."""
        found: npt.NDArray[np.bool_] = self.rest(scaled) > self.limit
        return found

    def rest(self, scaled: Floats) -> Floats:
        """Return the sum of squares outside the directions."""
        wide = scaled[..., : len(self.directions)]
        inside = wide @ self.directions
        rest: Floats = (wide**2).sum(-1) - (inside**2).sum(-1)
        return rest


@dataclass(frozen=True)
class Head:
    """All rows that read one tier at one stage: a row for that tier and for each tier above.

    `lengths`, shape (num_rows, num_features + 1), give a linear estimate of how many tokens each
    tier would write, at most `longest`, shape (num_rows,). `reach` says which prompts are unlike
    the lesson. With `landmarks` the rows weigh these instead of features.
    """

    mean: Floats
    scale: Floats
    rows: tuple[Row, ...]
    lengths: Floats
    longest: Floats
    reach: Reach | None = None
    landmarks: Landmarks | None = None

    def guess(self, x: Floats) -> Guess:
        """Map features, shape (..., num_features), to guesses of shape (..., num_rows)."""
        # Values far outside the lesson are clipped: how far they are outside means nothing.
        scaled = np.clip((x - self.mean) / self.scale, -FAR, FAR)
        seen = self.landmarks.near(scaled) if self.landmarks else scaled
        right = np.stack([row.probability(seen) for row in self.rows], -1)
        generated = scaled @ self.lengths[:, :-1].T + self.lengths[:, -1]
        is_unlike = self.reach.is_beyond(scaled) if self.reach else None
        return Guess(right, np.clip(generated, 1.0, self.longest), is_unlike)


@dataclass(frozen=True)
class TierCosts:
    """What tiers cost: parameters times tokens, in units of the top tier's mean prompt."""

    parameters: tuple[float, ...]
    unit: float

    def ahead(
        self, tier: int, stage: Stage, num_prompt_tokens: Floats, generated: Floats
    ) -> Floats:
        """Return the remaining cost of an answer by `tier` and by each tier above, seen at `tier`.

        `generated` are the tokens that each would write; shapes are (..., tiers from `tier` up).
        """
        above = [
            self.parameters[tier + j] * (num_prompt_tokens + generated[..., j])
            for j in range(1, len(self.parameters) - tier)
        ]
        is_written = stage == "answer"
        own = self.parameters[tier] * generated[..., 0] * (0.0 if is_written else 1.0)
        costs: Floats = np.stack([own, *above], -1) / self.unit
        return costs

    def unread(self, prompt_tokens: Floats, generated: Floats) -> Floats:
        """Return the cost of each tier alone for prompts that nobody has read yet.

        Shapes are (n, 1) and (n, k).
        """
        costs: Floats = np.array(self.parameters) * (prompt_tokens + generated) / self.unit
        return costs


def choose(probabilities: Floats, costs: Floats, cost_weight: float) -> npt.NDArray[np.intp]:
    """Return, along the last axis, the index of the greatest value p - cost_weight * cost.

    Index 0 is the tier itself, which also wins ties.
    """
    best: npt.NDArray[np.intp] = np.argmax(probabilities - cost_weight * costs, axis=-1)
    return best


def mixed(right: Floats, expected: Floats) -> Floats:
    """Return the probabilities of rows, mixed with those that the prompt's letters gave.

    Each knows something that the other does not: their mean is better than either (measured in
    `bench/LOG.md`).
    """
    return (right + expected) / 2


@dataclass(frozen=True)
class RowGates:
    """The learned gates of a cascade: `heads` by (tier index, stage).

    A stage without heads decides nothing. Without `jumps` a prompt goes one tier up, even if a
    higher tier is worth more: the gate of the next tier has better signals. `unread` chooses where
    a prompt begins, before any tier has read it; without it that is the lowest tier.
    """

    tiers: tuple[str, ...]
    costs: TierCosts
    has_token: bool
    heads: Mapping[tuple[int, Stage], Head]
    jumps: bool = True
    unread: UnreadRows | None = None

    def widened(self) -> RowGates:
        """Return the gates with a reach that no prompt of the lesson was beyond."""
        heads = {
            place: replace(head, reach=head.reach.widened()) if head.reach else head
            for place, head in self.heads.items()
        }
        return replace(self, heads=heads)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages at which rows decide, in order."""
        return tuple(stage for stage in STAGES if (0, stage) in self.heads)

    @property
    def decisions(self) -> tuple[Stage, ...]:
        """All stages at which something is decided, in order."""
        return (*(("unread",) if self.unread else ()), *self.stages)

    def verdict(
        self,
        tier: int,
        reading: Reading,
        cost_weight: float,
        last: int,
        limit: WaitLimit | None = None,
        expected: Mapping[str, float] | None = None,
    ) -> Verdict:
        """Decide for `tier`; the verdict's target is at most tier `last`, and within the limit.

        `expected` is what decision 0 gave each tier.
        """
        head = self.heads.get((tier, reading.stage))
        if head is None:
            return Verdict(escalate=False, reason="no gate for this stage")
        x = features(reading, has_token=self.has_token)
        if x.shape != head.mean.shape:
            return Verdict(escalate=False, reason="the gate file is for another model")
        num_open = last - tier + 1
        guess = head.guess(x)
        probabilities = guess.right[:num_open]
        names = self.tiers[tier : last + 1]
        if expected and all(name in expected for name in names):
            probabilities = mixed(probabilities, np.array([expected[name] for name in names]))
        num_prompt = np.asarray(float(reading.first.num_prompt_tokens))
        costs = self.costs.ahead(tier, reading.stage, num_prompt, guess.generated)[:num_open]
        costs = costs - self._cached(tier, reading, len(names))
        estimates = {
            f"{name} right": float(p) for name, p in zip(names, probabilities, strict=True)
        }
        lengths = {name: float(n) for name, n in zip(names, guess.generated, strict=False)}
        wanted = step = int(choose(probabilities, costs, cost_weight))
        slow = [False] * len(names)
        if limit:
            slow = limit.too_slow(names, float(num_prompt), lengths)
            step = int(choose(np.where(slow, -np.inf, probabilities), costs, cost_weight))
        verdict = Verdict(
            escalate=False,
            reason="keeps it",
            estimates=estimates,
            lengths=lengths,
            too_slow=names[wanted] if step != wanted else None,
        )
        if not step and guess.is_unlike is not None and guess.is_unlike and not all(slow[1:]):
            return msgspec.structs.replace(
                verdict, escalate=True, reason="unlike its lesson", target=names[1]
            )
        if not step:
            return verdict
        target = self.tiers[tier + (step if self.jumps else 1)]
        return msgspec.structs.replace(
            verdict, escalate=True, reason=f"{target} is worth its cost", target=target
        )

    def _cached(self, tier: int, reading: Reading, num_tiers: int) -> Floats:
        """Return what `tier` and the tiers above save: they need not read again what they have."""
        names = self.tiers[tier : tier + num_tiers]
        # What a tier itself has read is no part of what it has yet to do.
        read = [0.0, *(float(reading.earlier.num_read.get(name, 0)) for name in names[1:])]
        saved = np.minimum(read, reading.first.num_prompt_tokens)
        found: Floats = saved * self.costs.parameters[tier : tier + num_tiers] / self.costs.unit
        return found


class RowGate:
    """Decisions A, B and C of one request by learned rows.

    If no tier is likely to be right, the model's own escalate token decides, so that the cascade
    can still say that no tier can answer.
    """

    def __init__(self, gates: RowGates, order: GateOrder, token_gate: TokenGate) -> None:
        self._gates = gates
        self._token_gate = token_gate
        self._order = order
        self._tier = gates.tiers.index(order.tier)
        self._last = _last_allowed(gates.tiers, order.targets, self._tier)
        self._has_read = False
        self._limit = (
            None
            if order.max_wait_s is None
            else WaitLimit(order.max_wait_s, order.waits, time.monotonic())
        )
        decided = order.may_escalate and [s for s in STAGES if (self._tier, s) in gates.heads]
        # An answer that is shown while it grows cannot be judged as a whole.
        self.stages: tuple[Stage, ...] = tuple(
            stage for stage in decided or () if stage != "answer" or order.hold != "first"
        )

    def holds(self, _text: str, num_tokens: int) -> bool:
        """Whether decision B, if the lesson has found that it pays, is still to come."""
        is_due = "first" in self.stages and not self._has_read
        return is_due and num_tokens < self._order.hold_back

    def read(self, reading: Reading) -> Verdict:
        """Decide after the prompt, once within `hold_back` tokens, and at the end of the answer."""
        if reading.stage == "first":
            is_time = reading.num_generated == self._order.hold_back or reading.is_last
            if not is_time or self._has_read:
                return Verdict(escalate=False, reason="keeps it")
            self._has_read = True
        last = self._last if self._order.may_escalate else self._tier
        verdict = self._gates.verdict(
            *(self._tier, reading, self._order.cost_weight, last, self._limit),
            self._order.expected,
        )
        if verdict.escalate or max(verdict.estimates.values(), default=1.0) > _NO_TIER:
            return verdict
        return self._token_gate.read(reading)


def _last_allowed(tiers: Sequence[str], targets: Sequence[str], tier: int) -> int:
    return max([tier, *(tiers.index(name) for name in targets if name in tiers)])
