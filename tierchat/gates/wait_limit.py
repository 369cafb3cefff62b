"""Which tiers would take longer than a prompt may wait. Does not know how tiers are chosen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierchat.gates.order import TierWait


@dataclass(frozen=True)
class WaitLimit:
    """The longest wait for an answer, `began_s` being when it began on a monotonic clock."""

    max_wait_s: float
    waits: Mapping[str, TierWait]
    began_s: float

    def too_slow(
        self, names: Sequence[str], num_prompt_tokens: float, lengths: Mapping[str, float]
    ) -> list[bool]:
        """Mark the tiers above the first that would take longer, from now on."""
        left_s = self.max_wait_s - (time.monotonic() - self.began_s)
        return [
            index > 0
            and name in self.waits
            and self.waits[name].seconds(num_prompt_tokens, lengths[name]) > left_s
            for index, name in enumerate(names)
        ]
