"""Prompts of a lesson as landmarks: a prompt is described by how near it is to each of them.

A row that weighs landmarks is no plane: what it learned of one kind of prompts does not reach far
beyond that kind. Does not know rows, fitting or files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Landmarks:
    """Places of prompts in the directions in which these differ most.

    `directions`, shape (num_wide, rank), are those of the first standardised features; `places`
    has shape (num, rank). A prompt at a squared distance of `width` is near by 1/e.
    """

    directions: Floats
    places: Floats
    width: float

    def near(self, scaled: Floats) -> Floats:
        """Map standardised features, shape (..., num_features), to nearness, shape (..., num)."""
        at = scaled[..., : len(self.directions)] @ self.directions
        squares = (at**2).sum(-1)[..., None] + (self.places**2).sum(-1) - 2 * at @ self.places.T
        found: Floats = np.exp(-np.maximum(squares, 0.0) / self.width)
        return found
