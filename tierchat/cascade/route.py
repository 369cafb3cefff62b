"""Which tier is tried next: pure decisions over a cascade's tiers.

Does not know workers, text or time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tierchat.errors import UsageError
from tierchat.types import TierOptions

MAX_TRIES_OF_A_TIER = 2


class Route:
    """The way of one prompt over the tiers, cheapest first. `current` is the tier to run now."""

    def __init__(
        self, names: Sequence[str], options: TierOptions, absent: Collection[str] = ()
    ) -> None:
        """Choose the first tier; raises UsageError for a tier that does not exist.

        `absent` are tiers whose models are not on this machine; only a pinned one is tried.
        """
        self._names = tuple(names)
        self._unusable = {index for index, name in enumerate(self._names) if name in absent}
        self._is_settled = False
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
        if pinned is None and self._bottom in self._unusable:
            self._go(self._bottom) or self._settle()

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
        above = range(self.current + 1, self._top + 1) if self._may_go_up else ()
        return tuple(self._names[index] for index in above if index not in self._unusable)

    @property
    def is_settled(self) -> bool:
        """Whether the current tier must answer because the better ones cannot be loaded."""
        return self._is_settled

    @property
    def is_below_asked(self) -> bool:
        return self._is_settled or self.current < self._asked_bottom

    def after_verdict(self, target: str | None) -> str | None:
        """Go up after a gate's verdict, to `target` if it is higher; None when none is left."""
        if not self._may_go_up:
            return None
        self._declined.add(self.current)
        wanted = self._names.index(target) if target in self._names else self.current + 1
        return self._go(max(wanted, self.current + 1)) or self._settle()

    def after_unusable(self) -> str | None:
        """Go on from a tier whose model is missing or does not fit: up, else to the best below."""
        self._unusable.add(self.current)
        if self._is_settled:
            return self._settle()
        if not self._may_go_up:
            return None
        return self._go(self.current + 1) or self._settle()

    def after_too_long(self) -> str | None:
        """Go up past a context that is too small; None when none is left."""
        # A pinned tier stays pinned, but without escalation the prompt still has to fit.
        self._declined.add(self.current)
        return self._go(self.current + 1)

    def after_failure(self) -> str | None:
        """Go on after a crash or a missing model: up, else once more, else down; else None."""
        self._num_tries[self.current] += 1
        above = self._go(self.current + 1) if self._may_go_up else None
        if above:
            return above
        if self._num_tries[self.current] < MAX_TRIES_OF_A_TIER:
            return self.name
        usable = [
            index
            for index in range(self.current)
            if index not in self._declined | self._unusable and not self._num_tries[index]
        ]
        # A pinned tier is never replaced; a tier that declined would only invent something.
        if not usable or not (self._may_go_up or self._is_settled):
            return None
        self.current = usable[-1]
        return self.name

    def _go(self, index: int) -> str | None:
        usable = (i for i in range(index, self._top + 1) if i not in self._unusable)
        found = next(usable, None)
        if found is None:
            return None
        self.current = found
        return self.name

    def _settle(self) -> str | None:
        """Let the best tier that can run answer, even one that declined: its betters are not here.

        None when no better one is missing, or nobody can run.
        """
        usable = [
            index
            for index in range(self._top + 1)
            if index not in self._unusable and not self._num_tries[index]
        ]
        missing = [index for index in self._unusable if index <= self._top]
        if not usable or max(missing, default=-1) < usable[-1]:
            return None
        self.current = usable[-1]
        self._is_settled, self._may_go_up = True, False
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
