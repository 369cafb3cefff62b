"""Decision 0: the tier that a prompt begins at, chosen before any tier reads it.

A lesson's regression on the prompt's letters, with the untaught default as its beginning. Reading
a prompt is most of what a short answer costs; a prompt that looks like those that only a big tier
gets right need not be read by a small one first. Does not know fitting, files or conversations.
Plain Python, as the daemon decides this without numpy and without a model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tierchat.gates.letters import buckets, is_weights, score
from tierchat.types import Frozen


@dataclass(frozen=True)
class Expected:
    """What is expected of one tier: the probability of a right answer, and tokens it handles."""

    right: float
    prompt_tokens: float
    generated: float


class UnreadTier(Frozen, frozen=True):
    """What a lesson learned of the letters of prompts for one tier.

    `right` and `lengths` are little-endian float16, one for each bucket: of the logit of a right
    answer, and of the tokens that are written, at most `longest`.
    """

    right: bytes
    right_bias: float
    lengths: bytes
    length_bias: float
    longest: float

    def __post_init__(self) -> None:
        if not is_weights(self.right) or not is_weights(self.lengths):
            raise ValueError("the weights of letters are not finite numbers, one for each bucket")


class UnreadRows(Frozen, frozen=True):
    """All tiers of a cascade, cheapest first, and how many tokens a prompt's bytes make."""

    tiers: tuple[UnreadTier, ...]
    template_tokens: float
    tokens_per_byte: float

    def expect(self, text: str, num_bytes: int) -> list[Expected]:
        """Return what is expected of each tier for a prompt of so many bytes.

        `text` is what is read of it, `letters.text_of`.
        """
        found = buckets(text)
        num = max(1.0, self.template_tokens + self.tokens_per_byte * num_bytes)
        return [
            Expected(
                right=_logistic(score(found, tier.right) + tier.right_bias),
                prompt_tokens=num,
                generated=min(
                    max(1.0, score(found, tier.lengths) + tier.length_bias), max(1.0, tier.longest)
                ),
            )
            for tier in self.tiers
        ]

    @staticmethod
    def choose(
        expected: Sequence[Expected], parameters: Sequence[float], unit: float, cost_weight: float
    ) -> int:
        """Return the index of the tier of the greatest value; of equal ones the cheapest."""
        values = [
            e.right - cost_weight * size * (e.prompt_tokens + e.generated) / unit
            for e, size in zip(expected, parameters, strict=True)
        ]
        return values.index(max(values))


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))
