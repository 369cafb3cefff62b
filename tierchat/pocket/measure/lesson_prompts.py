"""Write the bundled models' own tasks as prompts for `tierchat train`:
`python -m tierchat.pocket.measure.lesson_prompts FILE --side rounds`.

Does not know models or gates.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import get_args

from tierchat.learning.outcomes.prompts import GradedPrompt, write_prompts
from tierchat.pocket.measure.graded import graded
from tierchat.pocket.recipe.dataset import ProblemSource
from tierchat.pocket.tasks.sides import Side

_MAX_MISSES = 20_000


def draw(side: Side, num: int, seed: int) -> list[GradedPrompt]:
    """Draw distinct prompts, uniform over families and levels, of one side."""
    rng, source = random.Random(seed), ProblemSource(side)
    found: dict[str, GradedPrompt] = {}
    num_misses = 0
    while len(found) < num and num_misses < _MAX_MISSES:
        prompt = graded(source.task(rng))
        num_misses += prompt.digest in found
        found.setdefault(prompt.digest, prompt)
    return list(found.values())


def main() -> None:
    """Write one file and say how many prompts it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--side", choices=get_args(Side), default="rounds")
    parser.add_argument("--num", type=int, default=2_500)
    parser.add_argument("--seed", type=int, default=90)
    args = parser.parse_args()
    prompts = draw(args.side, args.num, args.seed)
    write_prompts(args.file, prompts)
    print(f"{len(prompts)} prompts in {args.file}")


if __name__ == "__main__":
    main()
