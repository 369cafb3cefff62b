"""What the stage of a prompt with tools changes about who is likely to be right.

A guess from the letters of a question knows nothing of what has happened since. Reading a result
needs a model that sees what is done already: one of half a billion parameters calls the same tool
again (`bench/RESULTS.md`), and larger ones are taken to go on the better the larger they are. After
a failure all are less likely to. Set by hand, for want of answers to fit it on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierchat.gates.order import ToolStage

# The decimal logarithm of the parameters at which `by_size` changes nothing.
_MEAN_SIZE = 9.0


@dataclass(frozen=True)
class Shift:
    """What is added to the logit of a right answer: for every tier, and by size.

    Sizes are decimal logarithms of parameters.
    """

    easier: float
    by_size: float


SHIFTS: Mapping[ToolStage, Shift] = {
    "result": Shift(0.0, 3.0),
    "failed": Shift(-1.0, 3.0),
}


def right_at(stage: ToolStage, right: Sequence[float], parameters: Sequence[float]) -> list[float]:
    """Return the probabilities of a right answer, `right` for the question, at a stage."""
    shift = SHIFTS.get(stage)
    if shift is None:
        return list(right)
    return [
        _shifted(p, shift.easier + shift.by_size * (math.log10(max(size, 1.0)) - _MEAN_SIZE))
        for p, size in zip(right, parameters, strict=True)
    ]


def _shifted(probability: float, by: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(p / (1 - p)) + by)))
