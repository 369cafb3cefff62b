"""OpenAI's `reasoning_effort` as tierchat understands it: which tiers, and whether they think.

Pure; does not know requests or cascades.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tierchat.types import QualityName, TierOptions

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
_QUALITIES: dict[Effort, QualityName] = {
    "minimal": "frugal",
    "low": "frugal",
    "high": "best",
    "xhigh": "best",
}
_THINKS: dict[Effort, bool] = {"none": False, "minimal": False, "high": True, "xhigh": True}


def with_effort(
    effort: Effort | None, options: TierOptions, think: bool | None
) -> tuple[TierOptions, bool | None]:
    """Return options and switch for thinking, filled in where the request leaves them open.

    `none` answers without a thought. `minimal` stays with the lowest tier that may answer, which
    does not think; `low` escalates as `frugal` quality does; `medium` leaves everything to
    the cascade; `high` and `xhigh` are `best` quality with thoughts. What a request says itself of
    quality, tiers or thoughts wins.
    """
    if effort is None:
        return options, think
    if options.quality is None:
        options = msgspec.structs.replace(options, quality=_QUALITIES.get(effort))
    if effort == "minimal" and not (options.min_tier or options.tier):
        options = msgspec.structs.replace(options, no_escalate=True)
    return options, _THINKS.get(effort) if think is None else think
