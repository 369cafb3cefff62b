"""The cells of some prompts, as far as the store has them: which are there, which are missing.

Does not know how cells are run or graded.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.work import Stored, Work, key_of

_DECODER = msgspec.msgpack.Decoder(Stored)


class Cells:
    """A row of cells for every prompt; a prompt that comes twice has one row of cells.

    A smaller tier's answer may have been run with the tier's own bound, or with the bound that the
    top tier's answer sets; the first is taken where both are there.
    """

    def __init__(self, work: Work, prompts: Sequence[GradedPrompt], store: OutcomeStore) -> None:
        self.work, self.store, self.prompts = work, store, prompts
        names = [(prompt.digest, prompt.max_tokens) for prompt in prompts]
        first: dict[object, int] = {}
        for row, name in enumerate(names):
            first.setdefault(name, row)
        # The row that holds the cells of each prompt.
        self._home = [first[name] for name in names]
        self._distinct = sorted(first.values())
        self._found: dict[tuple[int, int], bytes] = {}
        self._look_up()

    @property
    def num_known(self) -> int:
        return len(self._found)

    @property
    def num_wanted(self) -> int:
        return len(self._distinct) * len(self.work.tiers)

    def is_whole(self, row: int) -> bool:
        """Whether every tier has answered a prompt."""
        return all((self._home[row], t) in self._found for t in range(len(self.work.tiers)))

    def whole_rows(self) -> list[int]:
        """Return the prompts that every tier has answered."""
        return [row for row in range(len(self.prompts)) if self.is_whole(row)]

    def missing_rows(self) -> list[int]:
        """Return the different prompts that some tier has not answered."""
        return [row for row in self._distinct if not self.is_whole(row)]

    def missing(self, tier: int, rows: Sequence[int]) -> list[int]:
        """Return those of some rows that a tier has not answered."""
        return [row for row in rows if (self._home[row], tier) not in self._found]

    def of(self, row: int) -> list[Stored]:
        """Return the cells of a prompt that every tier has answered."""
        tiers = range(len(self.work.tiers))
        return [_DECODER.decode(self._found[self._home[row], tier]) for tier in tiers]

    def answers(self, rows: Sequence[int]) -> dict[int, list[str]]:
        """Return every tier's answer to each of some prompts that all tiers have answered."""
        return {row: [cell.answer for cell in self.of(row)] for row in rows}

    def bound(self, row: int, tier: int) -> int:
        """Return how many tokens a tier may write; a smaller one, once the top has answered."""
        top = self._found.get((self._home[row], len(self.work.tiers) - 1))
        if top is None:
            return self.work.bound(tier, self.prompts[row])
        return self.work.bound_after(tier, self.prompts[row], _DECODER.decode(top))

    def take(self, row: int, tier: int, cell: Stored) -> tuple[bytes, bytes]:
        """Enter a cell that was run with `bound`; returns its key and value for the store."""
        key = key_of(self.work, tier, self.prompts[row], self.bound(row, tier))
        value = msgspec.msgpack.encode(cell)
        self._found[self._home[row], tier] = value
        return key, value

    def _look_up(self) -> None:
        places = [(row, tier) for row in self._distinct for tier in range(len(self.work.tiers))]
        self._load({(r, t): self.work.bound(t, self.prompts[r]) for r, t in places})
        # With the top tiers' answers known, cells with the bounds that these set can be named.
        rest = [place for place in places if place not in self._found]
        self._load({(r, t): self.bound(r, t) for r, t in rest})

    def _load(self, bounds: dict[tuple[int, int], int]) -> None:
        keys = {
            key_of(self.work, tier, self.prompts[row], bound): (row, tier)
            for (row, tier), bound in bounds.items()
        }
        for key, value in self.store.load(keys).items():
            self._found[keys[key]] = value
