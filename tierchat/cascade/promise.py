"""What a prompt's quality asks of the cascade: a name is expected, a number is a promise.

Pure; does not know how a promise is measured: the gate file says what each setting is sure to keep.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tierchat.gates.files import GateHead
from tierchat.types import QUALITIES, QualityName, TierOptions


def cost_weight(head: GateHead, quality: QualityName | float | None) -> float:
    """Return the cost weight of the learned gate for a quality; none is `balanced`."""
    if isinstance(quality, str) or quality is None:
        return head.cost_weight(QUALITIES[quality or "balanced"])
    setting = head.promise(quality)
    return setting.cost_weight if setting else head.cost_weight(1.0)


def keeping_promise(
    options: TierOptions, cascade: str, tiers: Sequence[str], head: GateHead | None
) -> tuple[TierOptions, str]:
    """Return the options under which a quality is kept, and a notice or "".

    The top tier answers where nothing cheaper is sure to keep a promised quality, and where the
    tiers below cost more than they save at one that has a name. What else a request says of the
    tiers wins.
    """
    quality, top = options.quality, tiers[-1]
    if len(tiers) == 1 or _is(options.min_tier, top) or _is(options.tier, top):
        return options, ""
    why = _why_not(options, top)
    if isinstance(quality, str) or quality is None:
        if head and not why and head.is_top_better(QUALITIES[quality or "balanced"]):
            return msgspec.structs.replace(options, min_tier=top), ""
        return options, ""
    if why:
        return options, f"quality {quality:g} of {top} is not promised: {why}"
    if head and head.promise(quality):
        # The promise holds for all decisions of the gate, that on the finished answer included.
        hold = "judged" if options.hold in (None, "first") else options.hold
        return msgspec.structs.replace(options, hold=hold), ""
    if head is None:
        way = f"`tierchat train -m {cascade}` finds out whether a cheaper tier may"
        notice = (
            f"{top} answers: no lesson shows which tiers keep {quality:g} of its quality; {way}"
        )
    elif not head.report.num_held_out:
        notice = (
            f"{top} answers: the gate is older than promises such as {quality:g}; "
            f"`tierchat train -m {cascade}` finds out what it can promise"
        )
    else:
        notice = (
            f"{top} answers: the lesson was too small to be sure that {quality:g} of its quality "
            f"can be kept for less; `tierchat gate show {cascade}` lists what is sure"
        )
    return msgspec.structs.replace(options, min_tier=top), notice


def _why_not(options: TierOptions, top: str) -> str:
    if options.tier is not None:
        return f"only {options.tier} is asked"
    if options.max_tier is not None and not _is(options.max_tier, top):
        return f"no tier above {options.max_tier} is asked"
    if options.max_wait_s is not None:
        return "--max-wait may leave tiers out"
    return "nothing may escalate" if options.raw or options.no_escalate else ""


def _is(name: str | None, tier: str) -> bool:
    return name is not None and name.casefold() == tier.casefold()
