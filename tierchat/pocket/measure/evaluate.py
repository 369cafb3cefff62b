"""Measure the bundled cascade on held-out prompts: `python -m tierchat.pocket.measure.evaluate`.

Does not know training. Every tier runs on every prompt once, through the engine; each policy is
replayed on that outcome matrix.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tierchat.pocket.measure.metrics import per_cell, refusals, replay, summary
from tierchat.pocket.measure.outcomes import Cell, run_tiers
from tierchat.pocket.measure.questions import draw_all
from tierchat.pocket.tasks.problems import Problem

SUMMARISED = ("mix", "own", "puzzles", "wordings", "chats", "long", "piped")


def report(results: dict[str, Any]) -> str:
    """Write the results as plain text."""
    lines = []
    for group in SUMMARISED:
        lines.append(f"== {group}")
        for name, value in results[group].items():
            text = (
                f"{value[0]:.3f}  [{value[1]:.3f}, {value[2]:.3f}]"
                if isinstance(value, list)
                else str(value)
            )
            lines.append(f"{name:48s} {text}")
    head = "accuracy XS S M cascade | answered at XS S M | compute / M alone"
    for group in ("mix per cell", "wordings per cell"):
        lines.append(f"== {group}: {head}")
        lines += [
            f"{cell:34s} " + " ".join(f"{x:5.2f}" for x in row)
            for cell, row in results[group].items()
        ]
    lines.append("== out of domain, refused by: XS S M | every tier")
    lines += [
        f"{name:20s} " + " ".join(f"{x:5.3f}" for x in row)
        for name, row in results["outside"].items()
    ]
    lines += [
        f"small talk answered by XS, {name}: {results[name]:.3f}"
        for name in ("talk", "talk_held_out")
    ]
    return "\n".join(lines)


def evaluate(folder: Path, num_per_cell: int, seed: int) -> dict[str, Any]:
    """Draw, measure and summarise everything."""
    questions = draw_all(num_per_cell, seed)
    begin = time.monotonic()
    tiers, rows = run_tiers(folder, questions)
    grouped: dict[str, tuple[list[Problem], list[list[Cell]]]] = {}
    for question, row in zip(questions, rows, strict=True):
        names = [question.group]
        if question.group == "mix":
            names.append("own" if question.problem.entry is None else "puzzles")
        for name in names:
            grouped.setdefault(name, ([], []))[0].append(question.problem)
            grouped[name][1].append(row)
    results: dict[str, Any] = {name: summary(*grouped[name], tiers) for name in SUMMARISED}
    for name in ("mix", "wordings"):
        results[f"{name} per cell"] = per_cell(*grouped[name], tiers)
    results["outside"] = refusals(*grouped["outside"], tiers)
    for name in ("talk", "talk_held_out"):
        walked = [replay(row, tiers, 0, False) for row in grouped[name][1]]
        results[name] = float(np.mean([r.is_right and r.tier == 0 for r in walked]))
    results["tiers"] = [asdict(tier) for tier in tiers]
    results["seconds"] = time.monotonic() - begin
    return results


def main() -> None:
    """Print the tables; --json writes the numbers too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path(__file__).parents[1] / "models")
    parser.add_argument("--per-cell", type=int, default=160)
    parser.add_argument("--seed", type=int, default=4_711)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = evaluate(args.models, args.per_cell, args.seed)
    print(report(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
