"""The last answer of a conversation, as far as it matters for where the next prompt begins.

Pure; does not know logs or chats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tierchat.conversations.rows import ExchangeRow
from tierchat.types import TierOptions


@dataclass(frozen=True)
class LastAnswer:
    """Which tier of which cascade gave it, as far as that is known, and whether it was called bad.

    `floor` is the tier below which the rest of the topic is not answered.
    """

    cascade: str | None = None
    tier: str | None = None
    floor: str | None = None
    is_bad: bool = False

    def options(self, options: TierOptions, cascade: str, tiers: Sequence[str]) -> TierOptions:
        """Return the options of a prompt that comes after this answer, to a cascade of `tiers`.

        After a bad answer the floor is the tier above. Tiers of another cascade are left out.
        """
        if cascade != self.cascade:
            return msgspec.structs.replace(options, answered_by=None, floor=None)
        tier = self.tier if self.tier in tiers else None
        floors = [tiers.index(self.floor)] if self.floor in tiers else []
        if tier and self.is_bad:
            floors.append(min(tiers.index(tier) + 1, len(tiers) - 1))
        floor = tiers[max(floors)] if floors else None
        return msgspec.structs.replace(options, answered_by=tier, floor=floor)


def last_answer(cascade: str | None, exchanges: Sequence[ExchangeRow]) -> LastAnswer:
    """Return the last answer among the exchanges of a conversation; summaries are none."""
    for row in reversed(exchanges):
        if row.kind == "exchange" and row.answer.strip():
            return LastAnswer(cascade, row.tier, row.floor, row.mark == -1)
    return LastAnswer()
