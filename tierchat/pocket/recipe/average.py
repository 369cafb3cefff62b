"""Average two checkpoints of one run.

    python -m tierchat.pocket.recipe.average A.npz B.npz OUT.npz

The average of two checkpoints is more often than not better than both (arXiv 2203.05482). Does not
know data or GGUF.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from tierchat.pocket.recipe import model, train


def average(first: model.Llama, second: model.Llama) -> model.Llama:
    """Return the mean of two models; raises ValueError unless both have one shape."""
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} cannot be averaged")
    middle = model.Llama(first.shape)
    others = second.state_dict()
    middle.load_state_dict(
        {name: torch.lerp(weight, others[name], 0.5) for name, weight in first.state_dict().items()}
    )
    return middle


def main() -> None:
    """Write the average, with the facts of the first checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    (first, facts), (second, _) = train.load(args.first), train.load(args.second)
    facts.pop("shape", None)
    train.save(args.out, average(first, second), facts)


if __name__ == "__main__":
    main()
