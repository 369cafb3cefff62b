"""The user's own prompts as a lesson takes them: those with a mark, and a sample of the others.

Does not know models. What is older counts less, and at last not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tierchat.conversations.reader import open_log
from tierchat.learning.outcomes.history import DatedPrompt, dated_prompts
from tierchat.learning.outcomes.prompts import GradedPrompt

_MAX_PROMPTS = 1_000
# A prompt of today counts four times as much as one of the mix, one of a year ago not at all.
_MOST, _HALF_LIFE_DAYS = 4, 90.0


@dataclass(frozen=True)
class OwnPrompts:
    """The prompts with how often each counts, by digest, and when each was asked.

    `name` changes with them and with their marks.
    """

    prompts: tuple[GradedPrompt, ...]
    counts: dict[str, int]
    asked_at: dict[str, datetime]
    name: str

    def since(self, seconds: float) -> list[GradedPrompt]:
        """Return the prompts that were asked since a time, in seconds since 1970."""
        return [p for p in self.prompts if self.asked_at[p.digest].timestamp() >= seconds]


def own_prompts(log_file: Path, cascade: str, audit_share: float, now: datetime) -> OwnPrompts:
    """Read the prompts that a cascade was asked; `audit_share` of those without a mark are taken.

    Which ones are taken depends on the prompt alone, so that a later lesson takes the same.
    """
    with open_log(log_file) as log:
        found = dated_prompts(log, cascade, _MAX_PROMPTS) if log else []
    counts = {
        dated.prompt.digest: count
        for dated in found
        if _is_taken(dated.prompt, audit_share) and (count := count_of(dated, now))
    }
    taken = [dated.prompt for dated in found if dated.prompt.digest in counts]
    asked_at = {dated.prompt.digest: dated.asked_at for dated in found}
    return OwnPrompts(tuple(taken), counts, asked_at, _name(taken))


def count_of(dated: DatedPrompt, now: datetime) -> int:
    """Return how often a prompt counts, by its age."""
    days = max(0.0, (now - dated.asked_at).total_seconds() / 86_400)
    weight: float = _MOST * 0.5 ** (days / _HALF_LIFE_DAYS)
    return round(weight)


def _is_taken(prompt: GradedPrompt, share: float) -> bool:
    return bool(prompt.marks) or int(prompt.digest[:8], 16) < share * 2**32


def _name(prompts: Sequence[GradedPrompt]) -> str:
    lines = sorted(f"{prompt.digest} {sorted(prompt.marks.items())}" for prompt in prompts)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=12).hexdigest()
