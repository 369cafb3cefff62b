"""The untaught default: how hard a prompt looks for a model of a given size, before it is read.

What a model says of itself without a lesson is worth nothing (`bench/LOG.md`): first-token entropy,
its margin and "are you sure?" do not carry over from one pair of models to another. How hard a
*kind* of prompt is does: a logistic regression on the letters of the prompt and the size of the
model, fitted on two sizes of one family, foretells a third model of another. So does how long the
answer will be, which is most of what a bigger model costs more. The weights come from
`bench/prior.py`. Plain Python, as the daemon decides this without waiting for a model.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files

import msgspec

from tierchat.gates.letters import score
from tierchat.types import Frozen

# No answer is expected to be longer, in tokens.
LONGEST = 512.0


class Prior(Frozen, frozen=True):
    """Weights of a logistic regression: of the prompt's letters, alone and times the model's size.

    `difficulty`, `slope` and `lengths` are little-endian float16, one for each bucket; `lengths`
    and `length_bias` give the tokens of an answer, whichever tier writes it. The size of a model is
    the decimal logarithm of its parameters less `mean_size`. `usual_tokens` are those of a prompt
    and its answer. `cost_weights` are pairs of a share of the top tier's quality that was kept on
    held-out prompts, and the cost weight that kept it.
    """

    mean_size: float
    bias: float
    size_weight: float
    difficulty: bytes
    slope: bytes
    lengths: bytes
    length_bias: float
    usual_tokens: float
    cost_weights: tuple[tuple[float, float], ...]

    def right(self, found: Mapping[int, float], parameters: Sequence[float]) -> list[float]:
        """Return the probability that a model of each size answers a prompt right.

        `found` are the prompt's letters, `letters.buckets`.
        """
        hard, rises = score(found, self.difficulty), score(found, self.slope)
        sizes = [math.log10(max(size, 1.0)) - self.mean_size for size in parameters]
        logits = [self.bias + hard + size * (self.size_weight + rises) for size in sizes]
        return [1 / (1 + math.exp(-logit)) for logit in logits]

    def length(self, found: Mapping[int, float]) -> float:
        """Return how many tokens an answer is expected to have."""
        return min(max(score(found, self.lengths) + self.length_bias, 1.0), LONGEST)

    def costs(
        self, found: Mapping[int, float], num_tokens: float, parameters: Sequence[float]
    ) -> list[float]:
        """Return what each tier costs, in units of a usual prompt and answer of the top tier.

        `num_tokens` are those of the prompt.
        """
        share = (num_tokens + self.length(found)) / self.usual_tokens
        return [share * size / parameters[-1] for size in parameters]

    def cost_weight(self, quality: float) -> float:
        """Return what the top tier's cost is worth at a quality, in shares of a right answer."""
        enough = [weight for kept, weight in self.cost_weights if kept >= quality]
        return max(enough, default=0.0)

    def choose(self, right: Sequence[float], costs: Sequence[float], quality: float) -> int:
        """Return the index of the tier whose answer is worth most, given what was expected."""
        weight = self.cost_weight(quality)
        values = [p - weight * cost for p, cost in zip(right, costs, strict=True)]
        return values.index(max(values))


@functools.cache
def shipped() -> Prior:
    """Read the weights in the package."""
    raw = files("tierchat.gates").joinpath("prior.json").read_bytes()
    return msgspec.json.decode(raw, type=Prior)
