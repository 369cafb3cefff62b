"""What the daemon has done since it started, counted: prompts, tokens, escalations, times.

No word of a prompt or an answer. Does not know how the counts are written; one event loop owns it.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter, defaultdict

from tierchat.outcomes import Outcome, Visit
from tierchat.service.messages import TierCounts

Labels = tuple[str, ...]
# Upper bounds in seconds: a cached answer of a tiny model up to a long one of a large one.
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "POST")


class Histogram:
    """How often values fell below each of some bounds."""

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound with the number of values up to it; the last is +Inf."""
        names = [*map(str, self._bounds), "+Inf"]
        return list(zip(names, map(float, itertools.accumulate(self._counts)), strict=True))


class Metrics:
    """The counts of one daemon."""

    def __init__(self) -> None:
        # By cascade, tier and how the answer ended.
        self.prompts: Counter[Labels] = Counter()
        # By the code of the error.
        self.errors: Counter[Labels] = Counter()
        # By cascade, the tier that was left and the one that came next.
        self.escalations: Counter[Labels] = Counter()
        # By cascade, tier and kind.
        self.tokens: Counter[Labels] = Counter()
        # By cascade: parameters times tokens, of all tiers visited and of the top tier alone.
        self.compute: Counter[Labels] = Counter()
        self.top_compute: Counter[Labels] = Counter()
        # By route, method and status.
        self.responses: Counter[Labels] = Counter()
        # By status.
        self.refused: Counter[Labels] = Counter()
        # By cascade and tier.
        self.answer_s: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        self.first_token_s: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        self.queue_s = Histogram()

    def answered(self, cascade: str, outcome: Outcome, first_token_s: float | None) -> None:
        """Count one finished answer."""
        tier = outcome.tier or ""
        self.prompts[cascade, tier, outcome.finish_reason] += 1
        self.answer_s[cascade, tier].add(outcome.seconds)
        if first_token_s is not None:
            self.first_token_s[cascade, tier].add(first_token_s)
        for visit in outcome.path:
            self._visited(cascade, visit)
        self.compute[(cascade,)] += int(outcome.compute)
        self.top_compute[(cascade,)] += int(outcome.top_compute)

    def escalated(self, cascade: str, visit: Visit, target: str) -> None:
        """Count one hop."""
        self.escalations[cascade, visit.tier, target] += 1

    def failed(self, code: str) -> None:
        """Count one prompt that ended with an error."""
        self.errors[(code,)] += 1

    def responded(self, route: str, method: str, status: int) -> None:
        """Count one HTTP response; the route is its pattern, not what was asked."""
        self.responses[route, method if method in _METHODS else "other", str(status)] += 1

    def turned_away(self, status: int) -> None:
        """Count one request over TCP that was not let in."""
        self.refused[(str(status),)] += 1

    def by_tier(self) -> tuple[TierCounts, ...]:
        """Return what each tier did that has got a prompt so far."""
        answered: Counter[Labels] = Counter()
        for (cascade, tier, _), num in self.prompts.items():
            answered[cascade, tier] += num
        left: Counter[Labels] = Counter()
        for (cascade, tier, _), num in self.escalations.items():
            left[cascade, tier] += num
        # A prompt that no tier could answer has none.
        found = sorted(key for key in answered | left if key[1])
        return tuple(
            TierCounts(
                cascade=cascade,
                tier=tier,
                num_answered=answered[cascade, tier],
                num_escalated=left[cascade, tier],
                num_written=self.tokens[cascade, tier, "written"],
            )
            for cascade, tier in found
        )

    def _visited(self, cascade: str, visit: Visit) -> None:
        for kind, num in (
            ("read", visit.prompt_tokens - visit.cached_tokens),
            ("cached", visit.cached_tokens),
            ("written", visit.generated_tokens - visit.discarded_tokens),
            ("discarded", visit.discarded_tokens),
        ):
            if num:
                self.tokens[cascade, visit.tier, kind] += num
