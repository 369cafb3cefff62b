"""Fit every tier's thresholds on the rounds side.

    python -m tierchat.pocket.measure.thresholds DIR

Does not know training. Runs exported models in worker processes, so that the numbers compared are
the ones that the gate will read. Writes the share each tier gets right by family and level too, for
`train --focus`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from tierchat.learning.evaluation.policies import Bools
from tierchat.learning.outcomes.matrix import Floats, Matrix
from tierchat.paths import find_paths
from tierchat.pocket.measure.outcomes import TIERS, run_tiers
from tierchat.pocket.measure.questions import draw_all

_WRONG_COSTS = 8.0
# No tier is above the top tier, so a prompt that it gives up is lost.
_TOP_WRONG_COSTS = 2.0
_NEVER = -99.0


def fit(matrix: Matrix, is_outside: Bools, tier: int) -> dict[str, float]:
    """Choose both thresholds of one tier on an outcome matrix.

    Keeping a right answer is worth 1. Keeping a wrong answer costs 8 if a higher tier has the
    prompt right or if the prompt is from outside; at the top tier, where only prompts from outside
    count, it costs 2. Where all tiers are wrong, keeping is worth nothing (arXiv 2410.10347's
    label).
    """
    values = _values_of_keeping(matrix, is_outside, tier)
    wishes = matrix.escalate_probabilities[:, tier]
    # An answer without a token to read counts as certain.
    weakest = np.nan_to_num(matrix.answer_min_logprobs[:, tier], nan=0.0)

    def total(keeps: Bools) -> float:
        return float(values[keeps].sum())

    limits = [step / 40 for step in range(2, 37)]
    escalate = max(limits, key=lambda limit: total(wishes <= limit))
    floors = [_NEVER, *(-step / 20 for step in range(80, 0, -1))]
    answer = max(floors, key=lambda floor: total((wishes <= escalate) & (weakest >= floor)))
    return {"escalate_threshold": escalate, "answer_threshold": answer}


def _values_of_keeping(matrix: Matrix, is_outside: Bools, tier: int) -> Floats:
    is_top = tier == len(matrix.tiers) - 1
    wrong_costs = _TOP_WRONG_COSTS if is_top else _WRONG_COSTS
    would_help = matrix.right[:, tier + 1 :].any(1) | is_outside
    found: Floats = np.where(matrix.right[:, tier], 1.0, np.where(would_help, -wrong_costs, 0.0))
    return found


def main() -> None:
    """Print the thresholds and write one JSON file a tier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, help="folder with the three exported GGUFs")
    parser.add_argument("--out", type=Path, default=Path("pocket-run"))
    parser.add_argument("--per-cell", type=int, default=60)
    parser.add_argument("--seed", type=int, default=90)
    args = parser.parse_args()
    questions = draw_all(args.per_cell, args.seed, "rounds")
    measured = run_tiers(args.models, questions, find_paths(os.environ))
    for index, name in enumerate(TIERS):
        limits = fit(measured.matrix, measured.is_outside, index)
        (args.out / f"{name.lower()}.thresholds.json").write_text(json.dumps(limits))
        print(name, limits)
    mix = measured.part("mix")
    found = {name.lower(): _accuracies(mix, index) for index, name in enumerate(TIERS)}
    (args.out / "accuracies.json").write_text(json.dumps(found, indent=1))


def _accuracies(matrix: Matrix, tier: int) -> dict[str, float]:
    """Return the share of right answers of one tier, by family and level."""
    families = np.array(matrix.families)
    right = matrix.right[:, tier]
    return {name: float(right[families == name].mean()) for name in dict.fromkeys(matrix.families)}


if __name__ == "__main__":
    main()
