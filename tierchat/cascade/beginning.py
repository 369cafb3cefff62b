"""Where a prompt begins that goes on with a conversation: at which tier, and why.

Pure; does not know texts or workers. A prompt's own `tier`, `min_tier` and `max_tier` win over all
of this, see `Route`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tierchat.cascade.turns_before import TurnBefore
from tierchat.gates.order import Earlier
from tierchat.types import TierOptions

# A gate whose lesson held fewer follow-ups knows nothing about them.
MIN_FOLLOW_UPS = 100


@dataclass(frozen=True)
class Beginning:
    """The tier below which a prompt does not begin, None for the lowest, and why.

    `kept_floor` is the part of it that a person asked for; it holds for the rest of the topic.
    `least` is the lowest tier that knows tools, where others do not.
    `earlier` is what gates are told of the turns before, `expected` how likely each tier is right,
    where decision 0 has read the prompt's letters.
    """

    floor: str | None = None
    why: str = ""
    kept_floor: str | None = None
    least: str | None = None
    earlier: Earlier = field(default_factory=Earlier)
    expected: Mapping[str, float] = field(default_factory=dict)

    def told(self, tiers: Sequence[str], first: str, options: TierOptions) -> str:
        """Say where and why a prompt begins whose first tier is `first`.

        Empty where the request, or the tiers that are here, make it begin elsewhere.
        """
        lowest = self.floor or tiers[0]
        is_asked = lowest.casefold() == (options.tier or options.min_tier or "").casefold()
        return (
            "" if not self.why or is_asked or first != lowest else f"began at {first}: {self.why}"
        )

    def floor_after(self, tiers: Sequence[str], tier: str | None, *, is_up: bool) -> str | None:
        """Return the tier below which the rest of the topic is not answered, after `tier` has.

        With `is_up` a person asked for a higher tier, and this one it is from now on.
        """
        if not is_up or tier is None:
            return self.kept_floor
        return max(tier, self.kept_floor or tier, key=tiers.index)


def turn_before(
    options: TierOptions, known: TurnBefore | None, tiers: Sequence[str]
) -> TurnBefore | None:
    """Return the last turn: its tier as the client says it, else as it is remembered.

    Of two floors the higher one counts. Tiers that the cascade does not have are passed over.
    """
    names = {tier.casefold(): tier for tier in tiers}
    said = names.get((options.answered_by or "").casefold())
    tier = said or (known.tier if known else "")
    floors = (names.get((options.floor or "").casefold()), known.floor if known else None)
    floor = max((f for f in floors if f in tiers), key=tiers.index, default=None)
    if known is not None and tier == known.tier:
        return replace(known, floor=floor)
    return TurnBefore(tier, floor) if tier or floor else None


def begin(
    tiers: Sequence[str],
    before: TurnBefore | None,
    *,
    num_turns: int,
    leans: bool,
    knows_follow_ups: bool,
) -> Beginning:
    """Choose where to begin after the last turn; `num_turns` are the answers so far.

    A prompt that does not lean on them begins at the bottom. Else it begins no lower than a person
    asked for and, unless the gate `knows_follow_ups`, than the tier that answered before. Without
    an answer so far only what a person asked for counts.
    """
    answered = tiers.index(before.tier) if before and before.tier in tiers else -1
    asked = tiers.index(before.floor) if before and before.floor in tiers else 0
    earlier = Earlier(num_turns=num_turns)
    if before and answered >= 0:
        earlier = Earlier(
            num_turns=num_turns,
            answered_by=before.tier,
            estimates=before.estimates,
            num_read=before.num_read,
        )
    if num_turns and not leans:
        return Beginning(why="a new topic" if max(answered, asked) > 0 else "", earlier=earlier)
    kept = tiers[asked] if asked else None
    lowest = asked if knows_follow_ups else max(asked, answered)
    if lowest == 0:
        return Beginning(kept_floor=kept, earlier=earlier)
    if lowest == answered:
        why = "it answered before"
    elif lowest > answered >= 0:
        why = f"the answer of {tiers[answered]} was not good enough"
    else:
        why = "a better answer was asked for"
    return Beginning(tiers[lowest], why, kept, earlier=earlier)
