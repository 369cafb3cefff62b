"""Fit every tier's thresholds on the rounds side.

    python -m tierchat.pocket.measure.thresholds DIR

Does not know training. Runs exported models through the engine, so that the numbers compared are
the ones the gate will read. Writes what each tier gets right per cell too, for `train --focus`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tierchat.pocket.measure.outcomes import TIERS, Cell, Question, run_tiers
from tierchat.pocket.measure.questions import draw_all

_WRONG_COSTS = 8.0
# Above the top tier there is nobody: what it refuses is lost.
_TOP_WRONG_COSTS = 2.0
_NEVER = -99.0
Row = Sequence[Cell]


def fit(rows: Sequence[Row], tier: int) -> dict[str, float]:
    """Choose both thresholds of one tier on an outcome matrix.

    Keeping a right answer is worth 1; keeping a wrong one that a higher tier has right costs 8
    (2 at the top tier, above which only outsiders count so); where all are wrong, keeping costs
    nothing but is worth nothing (arXiv 2410.10347's label).
    """
    values = [_value_of_keeping(row, tier) for row in rows]

    def total(keeps: Callable[[Cell], bool]) -> float:
        return sum(v for row, v in zip(rows, values, strict=True) if keeps(row[tier]))

    wishes = [step / 40 for step in range(2, 37)]
    escalate = max(wishes, key=lambda limit: total(lambda c: c.escalate_probability <= limit))
    floors = [_NEVER, *(-step / 20 for step in range(80, 0, -1))]
    answer = max(
        floors,
        key=lambda floor: total(
            lambda c: c.escalate_probability <= escalate and c.min_logprob >= floor
        ),
    )
    return {"escalate_threshold": escalate, "answer_threshold": answer}


def _value_of_keeping(row: Row, tier: int) -> float:
    if row[tier].is_right:
        return 1.0
    if not any(cell.is_right for cell in row[tier + 1 :]):
        return 0.0
    return -_TOP_WRONG_COSTS if tier == len(TIERS) - 1 else -_WRONG_COSTS


def main() -> None:
    """Print the thresholds and write one JSON file a tier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, help="folder with the three exported GGUFs")
    parser.add_argument("--out", type=Path, default=Path("pocket-run"))
    parser.add_argument("--per-cell", type=int, default=60)
    parser.add_argument("--seed", type=int, default=90)
    args = parser.parse_args()
    questions = draw_all(args.per_cell, args.seed, "rounds")
    _, rows = run_tiers(args.models, questions)
    # Of a prompt nobody can answer every keep is false: it is as wrong as can be.
    for index, name in enumerate(TIERS):
        limits = fit([_marked(row, q.group) for row, q in zip(rows, questions, strict=True)], index)
        (args.out / f"{name.lower()}.thresholds.json").write_text(json.dumps(limits))
        print(name, limits)
    found = {
        name.lower(): _accuracies([(q, row[index]) for q, row in zip(questions, rows, strict=True)])
        for index, name in enumerate(TIERS)
    }
    (args.out / "accuracies.json").write_text(json.dumps(found, indent=1))


def _accuracies(pairs: list[tuple[Question, Cell]]) -> dict[str, float]:
    verdicts: dict[str, list[bool]] = {}
    for question, cell in pairs:
        if question.group == "mix":
            verdicts.setdefault(question.problem.cell, []).append(cell.is_right)
    return {name: sum(rights) / len(rights) for name, rights in verdicts.items()}


def _marked(row: Row, group: str) -> Row:
    """Let a prompt from outside count as one that someone above would have right."""
    if group != "outside":
        return row
    wish = Cell(True, 1.0, 0.0, 0, 0)
    return [*row, wish]


if __name__ == "__main__":
    main()
