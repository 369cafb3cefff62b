"""Quality against cost as a picture made of characters.

Does not know policies or terminals; a curve is a name with (cost, quality) points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Curve = tuple[str, Sequence[tuple[float, float]]]
_MARKS = "●○+x*#@%&="


def terminal_chart(curves: Sequence[Curve], width: int = 64, height: int = 16) -> list[str]:
    """Draw curves over cost (to the right) and quality (up); earlier curves cover later ones.

    Returns the lines of the picture: `height` rows, the axis and the legend.
    """
    low = min(q for _, points in curves for _, q in points)
    high = max(q for _, points in curves for _, q in points)
    far = max(c for _, points in curves for c, _ in points)
    grid = [[" "] * width for _ in range(height)]
    for (_, points), mark in reversed(list(zip(curves, _MARKS, strict=False))):
        costs, qualities = np.array(points).T
        for column in range(width):
            cost = far * column / (width - 1)
            if cost < costs[0]:
                continue
            quality = float(np.interp(cost, costs, qualities))
            row = round((quality - low) / max(high - low, 1e-9) * (height - 1))
            grid[height - 1 - row][column] = mark
    lines = []
    for index, cells in enumerate(grid):
        value = high - (high - low) * index / (height - 1)
        label = f"{value:5.2f}" if index % 5 == 0 or index == height - 1 else " " * 5
        lines.append(f"{label} │{''.join(cells)}".rstrip())
    lines.append(f"      └{'─' * width}")
    lines.append(f"       0{'compute, relative to the top tier':^{width - 6}}{far:.2f}")
    lines.append(
        "       " + "  ".join(f"{m} {n}" for (n, _), m in zip(curves, _MARKS, strict=False))
    )
    return lines
