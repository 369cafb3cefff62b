"""One prompt's way through the tiers: run one, listen to its gate, go on, keep the ledger.

Does not know cascades by name, HTTP or how workers are kept; `Models` is the seam to the pool.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Protocol

import msgspec

from tierchat.cascade.ledger import Ledger
from tierchat.cascade.preload import Preloader
from tierchat.cascade.route import Route
from tierchat.config.catalogue import CascadeSpec, TierSpec
from tierchat.errors import (
    ContextTooLong,
    DoesNotFit,
    EngineCrashed,
    ModelCorrupt,
    ModelMissing,
    TemplateError,
    TierchatError,
    UsageError,
    error_from_code,
)
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Loading, Notice, ThoughtDelta
from tierchat.gates.lookup import FoundGate
from tierchat.gates.order import GateOrder
from tierchat.types import QUALITIES, FinishReason, Message, Prompt, TierOptions, Usage
from tierchat.workers.protocol import (
    Delta,
    Escalated,
    Failed,
    Finished,
    Generate,
    Progress,
    RequestEvent,
)

# What counts as a reason to try another tier rather than to give up.
_TIER_FAILED = (EngineCrashed, ModelMissing, ModelCorrupt, TemplateError, DoesNotFit)
# The same bytes and the same memory would fail again.
_UNUSABLE = (ModelMissing.code, DoesNotFit.code, ModelCorrupt.code, TemplateError.code)
_FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "interrupted": "interrupted"}
_WHY_SHORT = {
    "length": "{tier} stopped after {usage.generated_tokens} tokens: its limit or its context",
    "repetition": "{tier} was stopped: it repeated itself",
    "garbage": "{tier} was stopped: it produced numbers that are not finite",
}
_SILENT = "{tier} ended its turn without a word"


class Models(Protocol):
    """What a cascade needs of the pool."""

    def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]: ...
    def is_loaded(self, model: str) -> bool: ...
    def is_present(self, model: str) -> bool: ...
    def take_notice(self, model: str) -> str: ...
    def plan_as_part_of(self, cascade: str, models: Iterable[str]) -> None: ...
    async def load_ahead(self, model: str) -> None: ...
    def keep(self, models: Iterable[str], keepalive_s: float | None) -> None: ...
    async def close(self) -> None: ...


class PromptRun:
    """One prompt on its way; `parameters` sizes the tiers, `preloader` loads ahead."""

    def __init__(
        self,
        prompt: Prompt,
        spec: CascadeSpec,
        models: Models,
        parameters: Callable[[str], float],
        preloader: Preloader,
        gate: FoundGate | None = None,
    ) -> None:
        self._prompt = prompt
        self._spec = spec
        self._models = models
        self._preloader = preloader
        self._gate = gate
        self._tiers = {tier.name: tier for tier in spec.tiers}
        absent = [tier.name for tier in spec.tiers if not models.is_present(tier.model)]
        self._route = Route(list(self._tiers), prompt.options, absent)
        self._absent = absent
        self._ledger = Ledger(parameters, spec.tiers[-1].name)
        self._began_s = time.monotonic()
        self._answer: list[str] = []
        self._thought: list[str] = []
        self._draft = ""

    async def events(self) -> AsyncGenerator[CascadeEvent, None]:
        if self._absent and self._route.is_fallback:
            yield self._say(f"answering with {self._route.name}: {self._missing()}")
        while True:
            tier = self._tiers[self._route.name]
            if not self._models.is_loaded(tier.model):
                yield Loading(tier=tier.name, model=tier.model)
            self._look_ahead(tier)
            self._thought = []
            began_s = time.monotonic()
            end: RequestEvent | None = None
            try:
                async with aclosing(self._models.generate(tier.model, self._order(tier))) as events:
                    async for event in events:
                        notice = self._models.take_notice(tier.model)
                        if notice:
                            yield self._say(notice)
                        if isinstance(event, Delta):
                            yield self._show(tier, event)
                        elif not isinstance(event, Progress):
                            end = event
            except _TIER_FAILED as error:
                end = self._failed(error, time.monotonic() - began_s)
            self._preloader.record(tier.model, isinstance(end, Escalated))
            after = self._settle(tier, end)
            for follow_up in after:
                yield follow_up
            if isinstance(after[-1], Done):
                return

    def _look_ahead(self, tier: TierSpec) -> None:
        if self._route.targets:
            above = self._tiers[self._route.targets[0]]
            self._preloader.prepare(tier.model, above.model)

    def _order(self, tier: TierSpec) -> Generate:
        options = self._prompt.options
        return Generate(
            id=0,
            messages=self._messages(),
            sampling=self._prompt.sampling.filled(tier.sampling),
            think=tier.think,
            gate=self._gate_order(tier, options),
        )

    def _gate_order(self, tier: TierSpec, options: TierOptions) -> GateOrder:
        order = GateOrder(
            kind=tier.gate,
            may_escalate=self._route.may_escalate,
            hold=options.hold or "first",
            hold_back=self._spec.hold_back,
            escalate_threshold=tier.escalate_threshold,
            answer_threshold=tier.answer_threshold,
        )
        if self._gate is None or not self._route.targets:
            # The top tier can only decline, which is for its own token.
            return order
        quality = QUALITIES["balanced"] if options.quality is None else options.quality
        return msgspec.structs.replace(
            order,
            kind="row",
            file=str(self._gate.path),
            tier=tier.name,
            targets=self._route.targets,
            cost_weight=self._gate.head.cost_weight(quality),
        )

    def _messages(self) -> tuple[Message, ...]:
        *earlier, last = self._prompt.messages
        if not self._draft:
            return self._prompt.messages
        text = f"{last.content}\n\nA smaller model's draft, perhaps wrong:\n{self._draft}"
        return (*earlier, Message(role=last.role, content=text))

    def _show(self, tier: TierSpec, delta: Delta) -> CascadeEvent:
        if delta.thought:
            self._thought.append(delta.thought)
            return ThoughtDelta(tier=tier.name, text=delta.thought)
        self._answer.append(delta.answer)
        return AnswerDelta(text=delta.answer)

    def _failed(self, error: TierchatError, seconds: float) -> Failed:
        if self._answer:
            # What is on a screen cannot be continued by another tier.
            raise error
        usage = Usage(seconds=seconds)
        return Failed(id=0, code=error.code, message=error.message, hint=error.hint, usage=usage)

    def _settle(self, tier: TierSpec, end: RequestEvent | None) -> list[CascadeEvent]:
        match end:
            case Finished():
                return self._finish(tier, end)
            case Escalated():
                visit = self._ledger.add(
                    tier.name, tier.model, end.verdict.reason, end.usage, end.verdict
                )
                self._draft = end.draft if self._prompt.options.draft else ""
                target = self._route.after_verdict(end.verdict.target)
                if self._route.is_fallback:
                    why = f"{tier.name} would ask a better one"
                    return [self._say(f"{why}, but {self._missing()}; {target} answers")]
                return [Hop(visit=visit, target=target)] if target else self._unanswered()
            case Failed(code=ContextTooLong.code):
                return self._go_past(tier, end)
            case Failed(code=UsageError.code):
                # What one tier cannot make sense of no other can.
                raise UsageError(end.message, end.hint)
            case Failed():
                return self._go_around(tier, end)
        raise EngineCrashed(f"the worker of {tier.model} ended a request without a result")

    def _finish(self, tier: TierSpec, end: Finished) -> list[CascadeEvent]:
        is_silent = end.reason == "stop" and not "".join(self._answer).strip()
        notice = _SILENT if is_silent else _WHY_SHORT.get(end.reason, "")
        if notice:
            self._ledger.notices.append(notice.format(tier=tier.name, usage=end.usage))
        asked = self._prompt.options.min_tier
        if self._route.is_below_asked and asked:
            self._ledger.notices.append(f"answered by {tier.name}, below the asked {asked}")
        self._ledger.add(tier.name, tier.model, end.reason, end.usage, end.verdict, is_answer=True)
        return self._done(_FINISH_REASONS.get(end.reason, "length"))

    def _unanswered(self) -> list[CascadeEvent]:
        *others, last = dict.fromkeys(visit.tier for visit in self._ledger.visits)
        names = f"{', '.join(others)} and {last}" if others else last
        lines = (f"No tier can answer this: {names} declined.", self._spec.knows, self._spec.advice)
        self._ledger.notices.append("\n".join(filter(None, lines)))
        return self._done("unanswered")

    def _go_past(self, tier: TierSpec, end: Failed) -> list[CascadeEvent]:
        # Counted by the tier's own tokenizer, but never computed: it costs nothing.
        reason = end.message
        visit = self._ledger.add(tier.name, tier.model, reason, Usage(seconds=end.usage.seconds))
        target = self._route.after_too_long()
        if target is None:
            raise ContextTooLong(
                f"{tier.name}: {end.message}",
                f"shorten the prompt; {self._missing()}"
                if self._absent
                else "shorten the prompt; no tier with a longer context may be asked",
                end.usage.prompt_tokens,
            )
        return [Hop(visit=visit, target=target)]

    def _go_around(self, tier: TierSpec, end: Failed) -> list[CascadeEvent]:
        visit = self._ledger.add(tier.name, tier.model, end.code, end.usage)
        is_unusable = end.code in _UNUSABLE
        target = self._route.after_unusable() if is_unusable else self._route.after_failure()
        if target is None:
            raise error_from_code(end.code, end.message, end.hint)
        next_try = "trying it once more" if target == tier.name else f"going on with {target}"
        notice = self._say(f"{tier.name} failed ({end.message}); {next_try}")
        return [notice, Hop(visit=visit, target=target)]

    def _say(self, text: str) -> Notice:
        self._ledger.notices.append(text)
        return Notice(text=text)

    def _missing(self) -> str:
        """Say which tiers are not here, or nothing fits."""
        names = list(self._tiers)
        above = [n for n in names[names.index(self._route.name) + 1 :] if n in self._absent]
        if not above:
            return "no better one can be loaded"
        return f"{' and '.join(above)} {'is' if len(above) == 1 else 'are'} not here yet"

    def _done(self, reason: FinishReason) -> list[CascadeEvent]:
        outcome = self._ledger.close(
            "".join(self._answer),
            "".join(self._thought),
            reason,
            time.monotonic() - self._began_s,
        )
        is_below = reason != "unanswered" and self._route.is_below_asked
        return [Done(outcome=msgspec.structs.replace(outcome, is_below_asked=is_below))]
