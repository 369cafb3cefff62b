"""Measure the bundled cascade on held-out prompts: `python -m tierchat.pocket.measure.evaluate`.

Does not know training. Every tier answers every prompt once, in a worker process as the daemon's;
each policy is replayed on that outcome matrix.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from tierchat.learning.evaluation.token_policy import token_gated
from tierchat.paths import Paths, find_paths
from tierchat.pocket.measure.outcomes import TIERS, run_tiers
from tierchat.pocket.measure.questions import OUTSIDE, draw_all
from tierchat.pocket.measure.tables import per_family, refusals, summary

SUMMARISED = ("mix", "own", "puzzles", "wordings", "chats", "long", "piped")


def report(results: dict[str, Any]) -> str:
    """Write the results as plain text."""
    lines = []
    for group in SUMMARISED:
        lines.append(f"== {group}")
        for name, value in results[group].items():
            text = (
                f"{value[0]:.3f}  [{value[1]:.3f}, {value[2]:.3f}]"
                if isinstance(value, tuple)
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


def evaluate(folder: Path, num_per_cell: int, seed: int, paths: Paths) -> dict[str, Any]:
    """Draw the questions, run the tiers on them and summarise every group."""
    begin = time.monotonic()
    measured = run_tiers(folder, draw_all(num_per_cell, seed), paths)
    limits = measured.limits
    parts = {name: measured.part(name) for name in dict.fromkeys(measured.groups)}
    mix = parts["mix"]
    is_puzzle = np.array([prompt.entry is not None for prompt in mix.prompts])
    parts |= {"own": mix.take(np.flatnonzero(~is_puzzle))}
    parts |= {"puzzles": mix.take(np.flatnonzero(is_puzzle))}
    results: dict[str, Any] = {name: summary(parts[name], limits) for name in SUMMARISED}
    for name in ("mix", "wordings"):
        results[f"{name} per cell"] = per_family(parts[name], limits)
    results["outside"] = refusals(parts[OUTSIDE], limits)
    for name in ("talk", "talk_held_out"):
        walk = token_gated(parts[name], limits)
        results[name] = float(np.mean(walk.right & walk.answered_by(0)))
    results["tiers"] = [
        {
            "name": name,
            "num_parameters": int(parameters),
            "escalate_threshold": limit.escalate,
            "answer_threshold": limit.answer,
        }
        for name, parameters, limit in zip(TIERS, mix.parameters, limits, strict=True)
    ]
    results["seconds"] = time.monotonic() - begin
    return results


def main() -> None:
    """Print the tables; --json writes the numbers to a file, too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path(__file__).parents[1] / "models")
    parser.add_argument("--per-cell", type=int, default=160)
    parser.add_argument("--seed", type=int, default=4_711)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = evaluate(args.models, args.per_cell, args.seed, find_paths(os.environ))
    print(report(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
