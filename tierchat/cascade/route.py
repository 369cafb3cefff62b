"""Which tier of a cascade a prompt is given to next: pure decisions.

Does not know workers, text or time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tierchat.errors import UnknownModel, UsageError, did_you_mean
from tierchat.types import TierOptions

MAX_TRIES_OF_A_TIER = 2


class Route:
    """The way of one prompt over the tiers of a cascade; `name` is the tier to run now.

    The `after_*` methods say how that run ended. Each returns the tier to run next, or None if no
    tier is left.
    """

    def __init__(
        self,
        names: Sequence[str],
        options: TierOptions,
        absent: Collection[str] = (),
        floor: str | None = None,
    ) -> None:
        """Choose the first tier of `names`, cheapest first.

        `absent` are tiers whose models are not on this machine; an absent tier is run only if it
        is pinned. The way does not begin below `floor`, as far as the options and the tiers that
        are here allow. Raises UsageError for a tier that does not exist.
        """
        self._names = tuple(names)
        self._unusable = {index for index, name in enumerate(self._names) if name in absent}
        self._is_fallback = False
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
        self._index(options.floor, "floor")
        if pinned is not None:
            bottom = top = pinned
        self._top = top
        self._asked_bottom = bottom
        if pinned is None and floor in self._names:
            bottom = self._raised(bottom, self._names.index(floor))
        # Tiers that the floor leaves out; they may still read what is too long for all others.
        self._left_out = set(range(self._asked_bottom, bottom))
        self._may_go_up = pinned is None and not (options.no_escalate or options.raw)
        self._declined: set[int] = set()
        self._num_tries = dict.fromkeys(range(len(self._names)), 0)
        self._slow: frozenset[int] = frozenset()
        self._current = bottom
        if pinned is None and bottom in self._unusable:
            self._go_up_or_fall_back(bottom)

    @property
    def name(self) -> str:
        return self._names[self._current]

    @property
    def may_escalate(self) -> bool:
        """Whether the current tier may decline; a top tier with a trained escalate token may."""
        # A tier that has others above it, which are only too slow, answers.
        return self._may_go_up and not (self._slow and not self.targets)

    @property
    def targets(self) -> tuple[str, ...]:
        """The tiers that a gate may send the prompt to from here."""
        above = range(self._current + 1, self._top + 1) if self._may_go_up else ()
        closed = self._unusable | self._slow
        return tuple(self._names[index] for index in above if index not in closed)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The current tier and the usable ones above it that may answer, slow or not."""
        above = range(self._current + 1, self._top + 1) if self._may_go_up else ()
        usable = (self._names[index] for index in above if index not in self._unusable)
        return (self.name, *usable)

    def start_at(self, name: str) -> None:
        """Begin with one of the `candidates`, or of the tiers below that are allowed."""
        self._current = self._names.index(name)

    def allowed_below(self, lowest: str | None = None) -> tuple[str, ...]:
        """The usable tiers below the current one that the request allows, from `lowest` on."""
        first = self._names.index(lowest) if lowest in self._names else 0
        below = range(max(self._asked_bottom, first), self._current) if self._may_go_up else ()
        return tuple(self._names[index] for index in below if index not in self._unusable)

    def pass_over(self, names: Collection[str]) -> None:
        """Let no gate send the prompt to these tiers; where others fail, they may still answer."""
        self._slow = frozenset(self._names.index(name) for name in names)

    @property
    def is_fallback(self) -> bool:
        """Whether the current tier must answer because no better one can be loaded."""
        return self._is_fallback

    @property
    def is_below_asked(self) -> bool:
        return self._is_fallback or self._current < self._asked_bottom

    def after_verdict(self, target: str | None) -> str | None:
        """Go up because a gate said so: to `target` if that is higher, else to the next tier."""
        if not self._may_go_up:
            return None
        self._declined.add(self._current)
        above = self._current + 1
        wanted = self._names.index(target) if target in self._names else above
        open_to_gates = [self._names.index(name) for name in self.targets]
        if wanted in self._slow and open_to_gates:
            wanted = next((i for i in open_to_gates if i > wanted), open_to_gates[-1])
        return self._go_up_or_fall_back(max(wanted, above))

    def after_unusable(self) -> str | None:
        """Go on from a tier whose model is missing or does not fit: up, else to the best below."""
        self._unusable.add(self._current)
        if self._is_fallback:
            return self._fall_back()
        if not self._may_go_up:
            return None
        return self._go_up_or_fall_back(self._current + 1)

    def after_too_long(self) -> str | None:
        """Go up from a tier whose context is too small, else back to one that could read it."""
        # Also without leave to escalate: the prompt has to fit somewhere. A pinned tier stays.
        self._unusable.add(self._current)
        above = self._go_up(self._current + 1)
        if above or self._declined - self._unusable:
            return above or self._fall_back()
        left_out = self._left_out - self._unusable
        if not left_out:
            return None
        self._current = max(left_out)
        return self.name

    def after_failure(self) -> str | None:
        """Go on after a crash: up, else to the same tier once more, else down."""
        self._num_tries[self._current] += 1
        above = self._go_up(self._current + 1) if self._may_go_up else None
        if above:
            return above
        if self._num_tries[self._current] < MAX_TRIES_OF_A_TIER:
            return self.name
        # A pinned tier is never replaced.
        if not (self._may_go_up or self._is_fallback):
            return None
        # A tier that declined may only invent something: one that was not asked yet comes first.
        usable = [index for index in self._untried(self._current) if index not in self._declined]
        if not usable:
            self._unusable.add(self._current)
            return self._fall_back()
        self._current = usable[-1]
        return self.name

    def _go_up(self, lowest: int) -> str | None:
        """Move to the first usable tier from `lowest` on."""
        for index in range(lowest, self._top + 1):
            if index not in self._unusable:
                self._current = index
                return self.name
        return None

    def _go_up_or_fall_back(self, lowest: int) -> str | None:
        above = self._go_up(lowest)
        if above:
            return above
        return self._fall_back()

    def _fall_back(self) -> str | None:
        """Let the best tier that can run answer, even if it declined: better ones are not here.

        None if no better tier is missing, or no tier can run.
        """
        usable = self._untried(self._top + 1)
        missing = [index for index in self._unusable if index <= self._top]
        if not usable or max(missing, default=-1) < usable[-1]:
            return None
        self._current = usable[-1]
        self._is_fallback, self._may_go_up = True, False
        return self.name

    def _raised(self, bottom: int, floor: int) -> int:
        """Return the first usable tier from the floor on, else the last usable one below it."""
        floor = min(max(bottom, floor), self._top)
        usable = [i for i in range(bottom, self._top + 1) if i not in self._unusable]
        above = [index for index in usable if index >= floor]
        return above[0] if above else usable[-1] if usable else bottom

    def _untried(self, end: int) -> list[int]:
        """Return the tiers below `end` that can run and have not failed."""
        return [
            index
            for index in range(end)
            if index not in self._unusable and not self._num_tries[index]
        ]

    def _index(self, name: str | None, field: str) -> int | None:
        if name is None:
            return None
        folded = [known.casefold() for known in self._names]
        if name.casefold() not in folded:
            kind = UnknownModel if field == "tier" else UsageError
            raise kind(
                f"{field}: no tier named {name!r}",
                did_you_mean(
                    name, self._names, f"the tiers, cheapest first: {', '.join(self._names)}"
                ),
            )
        return folded.index(name.casefold())
