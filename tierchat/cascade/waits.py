"""How long each tier is expected to take for one prompt, and which are too slow for its dial.

Does not know workers; what was measured of the models comes from the pool.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tierchat.cascade.route import Route
from tierchat.config.catalogue import TierSpec
from tierchat.gates.files import GateHead
from tierchat.gates.letters import guessed_tokens
from tierchat.gates.order import GateOrder, TierWait
from tierchat.outcomes import Usage
from tierchat.types import Prompt, Verdict
from tierchat.workers.speeds import ModelSpeed

# Of an answer, until one was seen.
_USUAL_TOKENS = 128.0


class Waits:
    """The expected times of one prompt. They grow better with every tier that has read it."""

    def __init__(
        self,
        prompt: Prompt,
        tiers: Sequence[TierSpec],
        speed: Callable[[str, bool | None], ModelSpeed],
        num_read: Mapping[str, int],
        head: GateHead | None = None,
    ) -> None:
        """`speed` tells what to expect of a model, thinking or not.

        `num_read` are the tokens of the conversation that each tier has read before; `head` knows
        the usual lengths of answers.
        """
        self._max_tokens = prompt.sampling.max_tokens
        self._num_read = num_read
        self._max_wait_s = prompt.options.max_wait_s
        self._tiers = {tier.name: tier for tier in tiers}
        self._speed = speed
        self._began_s = time.monotonic()
        self._num_prompt_tokens = guessed_tokens(_num_bytes(prompt))
        self._lengths = {tier.name: tier.generated for tier in head.tiers} if head else {}
        self._predicted: Mapping[str, float] = {}
        self._slow: dict[str, float] = {}
        self._is_told = False

    def learn(self, usage: Usage, verdict: Verdict | None) -> None:
        """Take what a visit has counted and what its gate expects of the tiers above."""
        self._num_prompt_tokens = usage.prompt_tokens or self._num_prompt_tokens
        self._predicted = (verdict.lengths if verdict else {}) or self._predicted

    def expected_s(self, tier: str) -> float:
        """Return the expected seconds until the whole answer of a tier, from now on."""
        return self._wait(tier).seconds(self._num_prompt_tokens, self._length(tier))

    def begin(self, route: Route, kept_floor: str | None = None) -> str:
        """Let the route start at its lowest tier that is fast enough; returns a notice or "".

        Where none is from the tier on that answered before, a lower one begins, but none below
        `kept_floor`, which a person asked for. Where none is at all, the tier begins that would
        without the dial.
        """
        if self._max_wait_s is None:
            return ""
        first = route.name
        above = [name for name in route.candidates if self._is_fast(name)]
        below = [name for name in route.allowed_below(kept_floor) if self._is_fast(name)]
        chosen = above[0] if above else below[-1] if below else first
        about = (
            f"about {_seconds(self.expected_s(first))}, longer than {_seconds(self._max_wait_s)}"
        )
        route.start_at(chosen)
        if above:
            return ""
        self._is_told = True
        if below:
            return f"began at {chosen}: {first} is expected to take {about}"
        return (
            f"{first} answers, although it is expected to take {about}: no faster tier may be asked"
        )

    def leave_out_slow(self, route: Route) -> None:
        """Leave out the tiers that would take longer than there is time, by their usual lengths."""
        if self._max_wait_s is None:
            return
        times = {name: self.expected_s(name) for name in route.candidates[1:]}
        self._slow = {name: s for name, s in times.items() if s > self._left_s}
        route.pass_over(self._slow)

    def limit(self, order: GateOrder) -> GateOrder:
        """Let a learned gate, which knows more of the prompt, leave out the tiers that are slow."""
        if self._max_wait_s is None or order.kind != "row":
            return order
        waits = {name: self._wait(name) for name in order.targets}
        return msgspec.structs.replace(order, max_wait_s=self._left_s, waits=waits)

    def notice(self, route: Route, verdict: Verdict | None) -> str:
        """Say which tiers were left out above the one that answered; empty if none was missed."""
        if self._max_wait_s is None or self._is_told:
            return ""
        limit = f"longer than the wait of {_seconds(self._max_wait_s)}"
        if verdict and verdict.too_slow:
            about = _seconds(self.expected_s(verdict.too_slow))
            return f"{verdict.too_slow} is worth its cost, but would take about {about}, {limit}"
        if not self._slow or route.targets:
            return ""
        slow = ", ".join(f"{name} (about {_seconds(s)})" for name, s in self._slow.items())
        return f"{route.name} had to answer: {slow} would take {limit}"

    def _is_fast(self, tier: str) -> bool:
        return self.expected_s(tier) <= (self._max_wait_s or 0.0)

    @property
    def _left_s(self) -> float:
        spent_s = time.monotonic() - self._began_s
        return max(0.0, (self._max_wait_s or 0.0) - spent_s)

    def _length(self, tier: str) -> float:
        """Return the tokens that a tier is expected to write.

        The best guess is the gate's for this prompt, then the mean of the tier's last answers, of
        its lesson, and of other tiers' answers.
        """
        if tier in self._predicted:
            return self._predicted[tier]
        seen = {name: self._of(name).answer_tokens for name in self._tiers}
        others = [num for num in seen.values() if num] or [_USUAL_TOKENS]
        return seen[tier] or self._lengths.get(tier) or statistics.fmean(others)

    def _wait(self, tier: str) -> TierWait:
        speed = self._of(tier)
        return TierWait(
            load_s=speed.load_s,
            # What a model that is still loaded has read is in its cache.
            num_cached=0 if speed.load_s else self._num_read.get(tier, 0),
            prompt_token_s=speed.prompt_token_s,
            token_s=speed.token_s,
            max_tokens=self._max_tokens if self._max_tokens and self._max_tokens > 0 else None,
        )

    def _of(self, tier: str) -> ModelSpeed:
        spec = self._tiers[tier]
        return self._speed(spec.model, spec.think)


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 9.5 else f"{value:.2g} s"


def _num_bytes(prompt: Prompt) -> int:
    calls = [call.arguments for message in prompt.messages for call in message.tool_calls]
    tools = [f"{tool.description}{tool.parameters}" for tool in prompt.tools.tools]
    texts = (*(message.content for message in prompt.messages), *calls, *tools)
    return sum(len(text.encode("utf-8", "replace")) for text in texts)
