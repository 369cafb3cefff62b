"""Which tier is tried next: pure decisions over a cascade's tiers.

Does not know workers, text or time.
"""

from __future__ import annotations

from collections.abc import Sequence

from tierchat.errors import UsageError
from tierchat.types import TierOptions

MAX_TRIES_OF_A_TIER = 2


class Climb:
    """The way of one prompt over the tiers, cheapest first. `current` is the tier to run now."""

    def __init__(self, names: Sequence[str], options: TierOptions) -> None:
        """Choose the first tier; raises UsageError for a tier that does not exist."""
        self._names = tuple(names)
        pinned = self._index(options.tier, "tier")
        bottom = self._index(options.min_tier, "min_tier") or 0
        top = self._index(options.max_tier, "max_tier")
        if top is None:
            top = len(self._names) - 1
        if bottom > top:
            raise UsageError(
                f"min_tier {options.min_tier} is above max_tier {options.max_tier}",
                f"the tiers, cheapest first: {', '.join(self._names)}",
            )
        self._bottom, self._top = (bottom, top) if pinned is None else (pinned, pinned)
        self._asked_bottom = self._bottom
        self._may_go_up = pinned is None and not options.no_escalate
        self._declined: set[int] = set()
        self._num_tries = dict.fromkeys(range(len(self._names)), 0)
        self.current = self._bottom

    @property
    def name(self) -> str:
        return self._names[self.current]

    @property
    def may_escalate(self) -> bool:
        """Whether the current tier may say that it is not the one; the top one may, too."""
        return self._may_go_up

    @property
    def targets(self) -> tuple[str, ...]:
        """The tiers a gate may send the prompt to from here."""
        return self._names[self.current + 1 : self._top + 1] if self._may_go_up else ()

    @property
    def is_below_asked(self) -> bool:
        return self.current < self._asked_bottom

    def after_verdict(self, target: str | None) -> str | None:
        """Go up after a gate's verdict, to `target` if it is higher; None when none is left."""
        self._declined.add(self.current)
        wanted = self._names.index(target) if target in self._names else self.current + 1
        return self._go(max(wanted, self.current + 1))

    def after_too_long(self) -> str | None:
        """Go up past a context that is too small; None when none is left."""
        # A pinned tier stays pinned, but without escalation the prompt still has to fit.
        self._declined.add(self.current)
        return self._go(self.current + 1)

    def after_failure(self) -> str | None:
        """Go on after a crash or a missing model: up, else once more, else down; else None."""
        self._num_tries[self.current] += 1
        if self.current < self._top and self._may_go_up:
            return self._go(self.current + 1)
        if self._num_tries[self.current] < MAX_TRIES_OF_A_TIER:
            return self.name
        usable = [
            index
            for index in range(self.current)
            if index not in self._declined and not self._num_tries[index]
        ]
        # A pinned tier is never replaced; a tier that declined would only invent something.
        if not usable or not self._may_go_up:
            return None
        self.current = usable[-1]
        return self.name

    def _go(self, index: int) -> str | None:
        if index > self._top:
            return None
        self.current = index
        return self.name

    def _index(self, name: str | None, field: str) -> int | None:
        if name is None:
            return None
        folded = [known.casefold() for known in self._names]
        if name.casefold() not in folded:
            raise UsageError(
                f"{field}: no tier named {name!r}",
                f"the tiers, cheapest first: {', '.join(self._names)}",
            )
        return folded.index(name.casefold())
