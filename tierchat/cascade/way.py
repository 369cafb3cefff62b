"""The way of one prompt over the tiers so far: its route, its ledger, and what was shown of it.

Does not know workers or why a visit ended; `visits/` says what follows an end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tierchat.cascade.ledger import Ledger
from tierchat.cascade.prepared import PreparedCascade
from tierchat.cascade.route import Route
from tierchat.cascade.waits import Waits
from tierchat.config.catalogue import TierSpec
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Notice,
    ThoughtDelta,
    ToolCallDelta,
)
from tierchat.models.sampling import Resolved
from tierchat.outcomes import FinishReason, ScoredToken, Visit
from tierchat.tool_calls import ToolCall
from tierchat.types import Prompt
from tierchat.workers.protocol import Called, Delta, Escalated
from tierchat.workers.speeds import ModelSpeed

# The arguments of a call are checked before they are shown; they go out in pieces of this size.
_PIECE_CHARS = 1_000


@dataclass(frozen=True)
class Refused:
    """An answer that was refused before any of it was shown; the last thing to show."""

    visit: Visit
    end: Escalated


class Way:
    """Where one prompt is, what that has cost, and what the user has seen.

    `PromptRun` owns it. `sampling` is how the current tier draws its tokens, `draft` what the tier
    before it had written, if the prompt asks to hand that on.
    """

    def __init__(
        self,
        prompt: Prompt,
        cascade: PreparedCascade,
        speed: Callable[[str, bool | None], ModelSpeed],
    ) -> None:
        """`speed` tells what to expect of a model, thinking or not."""
        self.prompt = prompt
        self.cascade = cascade
        self._tiers = {tier.name: tier for tier in cascade.spec.tiers}
        self.absent = [tier.name for tier in cascade.spec.tiers if tier.model in cascade.absent]
        self.route = Route(list(self._tiers), prompt.options, self.absent, cascade.beginning.floor)
        self.waits = Waits(
            prompt,
            cascade.spec.tiers,
            speed,
            cascade.beginning.earlier.num_read,
            cascade.gate.head if cascade.gate else None,
        )
        self._too_slow = self.waits.begin(self.route, cascade.beginning.kept_floor)
        self._began = cascade.beginning.told(list(self._tiers), self.route.name, prompt.options)
        self.ledger = Ledger(
            lambda tier: cascade.parameters[self._tiers[tier].model], cascade.spec.tiers[-1].name
        )
        self._began_s = time.monotonic()
        self._answer: list[str] = []
        self._thought: list[str] = []
        self.draft = ""
        self.sampling = Resolved(prompt.sampling, {})
        self.refused: Refused | None = None
        self.stopped_by = ""
        self.tools = prompt.tools
        self.calls: list[ToolCall] = []

    @property
    def tier(self) -> TierSpec:
        """The tier that the prompt is given to now."""
        return self._tiers[self.route.name]

    @property
    def above(self) -> TierSpec | None:
        """The next tier that a gate may send the prompt to."""
        return self._tiers[self.route.targets[0]] if self.route.targets else None

    @property
    def answer(self) -> str:
        """The answer as far as it was shown."""
        return "".join(self._answer)

    @property
    def has_shown(self) -> bool:
        """Whether the user has seen something of the answer, which is not taken back."""
        return bool(self._answer or self.calls)

    def opening(self) -> list[Notice]:
        """Return what the user is told before the first tier runs."""
        said = [text for text in (*self.cascade.notices, self._too_slow) if text]
        if self.absent and self.route.is_fallback:
            said.append(f"answering with {self.route.name}: {self.missing()}")
        return [self.notice(text) for text in said]

    def begin_visit(self) -> None:
        """Keep the thoughts of the tier that runs now; those of earlier tiers were its own."""
        self._thought = []

    def show(self, delta: Delta) -> CascadeEvent:
        """Add what the current tier wrote to what was shown."""
        if delta.thought:
            self._thought.append(delta.thought)
            return ThoughtDelta(tier=self.route.name, text=delta.thought)
        self._answer.append(delta.answer)
        return AnswerDelta(
            text=delta.answer,
            model=self.tier.model,
            tier=self.tier.name,
            logprobs=delta.logprobs,
        )

    def show_call(self, called: Called) -> list[ToolCallDelta]:
        """Add a call that the current tier made; return its pieces."""
        index, call, tier = len(self.calls), called.call, self.tier.name
        self.calls.append(call)
        pieces = [
            call.arguments[at : at + _PIECE_CHARS]
            for at in range(0, len(call.arguments), _PIECE_CHARS)
        ]
        return [
            ToolCallDelta(index=index, tier=tier, id=call.id, name=call.name),
            *(ToolCallDelta(index=index, tier=tier, arguments=piece) for piece in pieces),
        ]

    @property
    def is_repairing(self) -> bool:
        """Whether the current visit makes a call once more that could not be used."""
        return self.tools is not self.prompt.tools

    def repair_call(self) -> None:
        """Let the next visit make a call that follows a grammar."""
        tools = self.prompt.tools
        self.tools = msgspec.structs.replace(tools, choice="required")

    def show_instead(
        self, answer: str, visit: Visit, logprobs: tuple[ScoredToken, ...]
    ) -> AnswerDelta:
        """Show a whole answer of an earlier tier, without thoughts."""
        self._answer, self._thought = [answer], []
        return AnswerDelta(text=answer, model=visit.model, tier=visit.tier, logprobs=logprobs)

    def notice(self, text: str) -> Notice:
        """Tell the user something, and write it into the ledger."""
        self.ledger.notices.append(text)
        return Notice(text=text)

    def missing(self) -> str:
        """Say which higher tiers are not on this machine, or that none can be loaded."""
        names = list(self._tiers)
        above = [n for n in names[names.index(self.route.name) + 1 :] if n in self.absent]
        if not above:
            return "no better tier can be loaded"
        verb = "is" if len(above) == 1 else "are"
        return f"{' and '.join(above)} {verb} not on this machine ({self.cascade.next_step})"

    def done(self, reason: FinishReason) -> Done:
        """Close the ledger."""
        if self.calls and reason == "stop":
            reason = "tool_calls"
        outcome = self.ledger.close(
            self.answer,
            "".join(self._thought),
            reason,
            time.monotonic() - self._began_s,
        )
        is_below = reason != "unanswered" and self.route.is_below_asked
        up = self.prompt.options.up
        outcome = msgspec.structs.replace(
            outcome,
            is_below_asked=is_below,
            sampling=dict(self.sampling.values),
            began=self._began,
            tool_calls=tuple(self.calls),
            stopped_by=self.stopped_by if self.stopped_by in self.prompt.sampling.stop else "",
            floor=self.cascade.beginning.floor_after(list(self._tiers), outcome.tier, is_up=up),
        )
        return Done(outcome=outcome)
