"""Policies judged on prompts that they were not fitted on: set by set, or fold by fold.

Does not know how policies are fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tierchat.learning.evaluation.policies import Walk
from tierchat.learning.evaluation.policy import Policy
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.questions import Said

# Fits policies on the first matrix and walks them on the second; always the same policies, in the
# same order and with the same settings.
Fit = Callable[[Matrix, Matrix], Sequence[Policy]]
Rows = npt.NDArray[np.intp]


def leave_one_set_out(
    matrix: Matrix,
    sets: Sequence[str],
    fit: Fit,
    on_set: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[Policy, ...]:
    """Judge every set by policies that were fitted on all the other sets alone.

    `sets` names the set of each prompt. Returns the policies walked over the whole matrix, each
    prompt by the fit that had not seen its set, so that they are measured pooled or set by set. A
    prompt whose question group reaches into the judged set is not learned from.
    """
    names = np.asarray(sets)
    parts = []
    distinct = list(dict.fromkeys(sets))
    for done, name in enumerate(distinct):
        on_set(done, len(distinct))
        judged = np.flatnonzero(names == name)
        held = {matrix.groups[row] for row in judged}
        rest = [int(row) for row in np.flatnonzero(names != name) if matrix.groups[row] not in held]
        parts.append((judged, fit(matrix.take(rest), matrix.take(judged))))
    on_set(len(distinct), len(distinct))
    return pooled(matrix, parts)


def cross_validated(
    matrix: Matrix,
    fit: Fit,
    num_folds: int = 5,
    on_fold: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[Policy, ...]:
    """Judge every fold of question groups by policies that were fitted on the other folds."""
    folds = fold_names(matrix.groups, num_folds)
    return leave_one_set_out(matrix, folds, fit, on_fold)


def fold_names(groups: Sequence[str], num_folds: int, seed: int = 0) -> list[str]:
    """Deal whole groups to folds and name the fold of each prompt."""
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(len(names)) % num_folds
    return [str(fold) for fold in dealt[group_of]]


def pooled(matrix: Matrix, parts: Sequence[tuple[Rows, Sequence[Policy]]]) -> tuple[Policy, ...]:
    """Put policies that were walked on parts of a matrix together, in the order of its rows.

    Each part has its rows and the policies walked on them, of which costs are relative to the
    part's own top tier.
    """
    first = parts[0][1]
    scales = [matrix.take(rows).unit() / matrix.unit() for rows, _ in parts]
    found = []
    for index, policy in enumerate(first):
        pieces = [(rows, same[index]) for rows, same in parts]
        walks = tuple(
            _one_walk([(rows, p.walks[setting]) for rows, p in pieces], scales)
            for setting in range(len(policy.walks))
        )
        expects = {
            tier: _rows([(r, p.expects[tier]) for r, p in pieces]) for tier in policy.expects
        }
        found.append(Policy(policy.name, policy.source, walks, expects, policy.are_probabilities))
    return tuple(found)


def _one_walk(pieces: Sequence[tuple[Rows, Walk]], scales: Sequence[float]) -> Walk:
    def whole(column: Callable[[Walk], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return _rows([(rows, column(walk)) for rows, walk in pieces])

    factors = zip(pieces, scales, strict=True)
    return Walk(
        tier=whole(lambda walk: walk.tier),
        right=whole(lambda walk: walk.right),
        cost=_rows([(rows, walk.cost * scale) for (rows, walk), scale in factors]),
        tokens=whole(lambda walk: walk.tokens),
        discarded=whole(lambda walk: walk.discarded),
        num_hops=whole(lambda walk: walk.num_hops),
        hop_generated=whole(lambda walk: walk.hop_generated),
        refused=whole(lambda walk: walk.refused),
    )


def _rows(pieces: Sequence[tuple[Rows, npt.NDArray[Any]]]) -> npt.NDArray[Any]:
    """Put rows of arrays into their places."""
    values = np.concatenate([part for _, part in pieces])
    return values[np.argsort(np.concatenate([rows for rows, _ in pieces]))]


@dataclass(frozen=True)
class Replies:
    """What tiers said about some prompts, found again for any part of them."""

    said: Said
    row_of: Mapping[str, int]

    @classmethod
    def about(cls, matrix: Matrix, said: Said) -> Replies:
        """Keep replies by the digest of the prompt that they are about.

        Of a prompt that is there twice, the row that was asked about is taken.
        """
        rows = np.argsort(~np.isnan(said.probabilities[:, 0]), kind="stable")
        return cls(said, {matrix.prompts[row].digest: row for row in rows})

    def on(self, part: Matrix) -> Said:
        """Return the replies about the prompts of another matrix, in its order."""
        rows = [self.row_of[prompt.digest] for prompt in part.prompts]
        return Said(self.said.probabilities[rows], self.said.num_tokens[rows])
