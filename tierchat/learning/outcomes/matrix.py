"""The outcome matrix: every tier's answer to every prompt, and all that gates could have read.

Pure values; does not know where they come from. There are n prompts and k tiers, cheapest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tierchat.gates.order import Probe
from tierchat.gates.signals import NUM_BUCKETS, Reading, features
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.types import Stage

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One tier's answer to one prompt, decoded greedily with escalation forbidden.

    `answer_min_logprob` is the least natural log-probability of a token of the answer, thoughts
    left out; None where the tier's own gate did not read the finished answer.
    """

    is_right: bool
    answer: str
    num_prompt_tokens: int
    num_generated_tokens: int
    seconds: float
    probe: Probe
    answer_min_logprob: float | None = None


@dataclass(frozen=True)
class Matrix:
    """The cells of n prompts, one row for each prompt."""

    tiers: tuple[str, ...]
    parameters: tuple[float, ...]
    prompts: tuple[GradedPrompt, ...]
    rows: tuple[tuple[Cell, ...], ...]
    hold_back: int = 8

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The group of each prompt, which must not be split between fitting and judging."""
        return tuple(prompt.group_name for prompt in self.prompts)

    @cached_property
    def families(self) -> tuple[str, ...]:
        """The kind of each prompt."""
        return tuple(prompt.family_name for prompt in self.prompts)

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """Which answers were right, shape (n, k); not to be written to, as the numbers below."""
        right = np.array([[cell.is_right for cell in row] for row in self.rows], bool)
        right.setflags(write=False)
        return right

    @cached_property
    def prompt_tokens(self) -> Floats:
        """Numbers of prompt tokens, shape (n, k)."""
        return _fixed([[cell.num_prompt_tokens for cell in row] for row in self.rows])

    @cached_property
    def generated_tokens(self) -> Floats:
        """Numbers of generated tokens, shape (n, k)."""
        return _fixed([[cell.num_generated_tokens for cell in row] for row in self.rows])

    @property
    def escalate_probabilities(self) -> Floats:
        """Probabilities of the escalate token at the prompt's end, shape (n, k).

        NaN where a tier has no such token.
        """
        return np.array(
            [[cell.probe.first.escalate_probability for cell in row] for row in self.rows], float
        )

    @property
    def answer_min_logprobs(self) -> Floats:
        """Least log-probabilities of a token of the answer, shape (n, k); NaN where not read."""
        return np.array([[cell.answer_min_logprob for cell in row] for row in self.rows], float)

    def costs(self) -> Floats:
        """Return the cost of each tier alone, shape (n, k): parameters times tokens, in `unit`s."""
        raw = np.array(self.parameters) * (self.prompt_tokens + self.generated_tokens)
        relative: Floats = raw / raw[:, -1].mean()
        return relative

    def unit(self) -> float:
        """Return what costs are relative to: the top tier's mean of parameters times tokens."""
        tokens = self.prompt_tokens[:, -1] + self.generated_tokens[:, -1]
        return float(self.parameters[-1] * tokens.mean())

    def take(self, chosen: npt.NDArray[np.intp] | Sequence[int]) -> Matrix:
        """Return the matrix of some prompts, chosen by index."""
        return Matrix(
            self.tiers,
            self.parameters,
            tuple(self.prompts[i] for i in chosen),
            tuple(self.rows[i] for i in chosen),
            self.hold_back,
        )

    def readings(self, tier: int, stage: Stage) -> list[Reading]:
        """Rebuild what a gate would have read of each prompt at one tier and stage."""
        return [
            replace(reading_of(row[tier], stage, self.hold_back), earlier=prompt.before)
            for prompt, row in zip(self.prompts, self.rows, strict=True)
        ]

    def features(self, tier: int, stage: Stage, *, has_token: bool) -> Floats:
        """Return the readings as numbers, shape (n, num_features)."""
        return np.stack([features(r, has_token=has_token) for r in self.readings(tier, stage)])

    def num_wide(self, tier: int) -> int:
        """Return how many features of a tier are its hidden state and the prompt's words."""
        hidden = np.frombuffer(self.rows[0][tier].probe.first_hidden, "<f4")
        return len(hidden) + NUM_BUCKETS


def _fixed(rows: list[list[int]]) -> Floats:
    numbers = np.array(rows, float)
    numbers.setflags(write=False)
    return numbers


def reading_of(cell: Cell, stage: Stage, hold_back: int) -> Reading:
    """Rebuild one reading from a cell's probe."""
    probe, is_first = cell.probe, stage == "prefill"
    logprobs = probe.logprobs if stage == "answer" else probe.logprobs[:hold_back]
    return Reading(
        stage=stage,
        now=probe.first if is_first else probe.second,
        first=probe.first,
        num_generated=1 if is_first else min(hold_back, len(probe.logprobs)),
        hidden=np.frombuffer(probe.first_hidden if is_first else probe.second_hidden, "<f4"),
        prompt_tokens=probe.prompt_tokens,
        logprobs=logprobs[:1] if is_first else logprobs,
        is_last=stage == "answer" or (not is_first and len(probe.logprobs) <= hold_back),
    )
