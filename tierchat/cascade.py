"""A prompt's way through the tiers: run one, listen to its gate, go on, keep the ledger.

Does not know HTTP, terminals or how workers are kept; `Models` is the seam to the pool.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Protocol

import msgspec

from tierchat.climb import Climb
from tierchat.config import CascadeSpec, Catalogue, TierSpec
from tierchat.deadline import until
from tierchat.errors import (
    ContextTooLong,
    EngineCrashed,
    ModelCorrupt,
    ModelMissing,
    TemplateError,
    TierchatError,
    UsageError,
    error_from_code,
)
from tierchat.gate_book import FoundGate, GateBook
from tierchat.ledger import Ledger
from tierchat.protocol import (
    Delta,
    Escalated,
    Failed,
    Finished,
    GateOrder,
    Generate,
    Progress,
    RequestEvent,
)
from tierchat.types import (
    QUALITIES,
    AnswerDelta,
    CascadeEvent,
    Done,
    FinishReason,
    Hop,
    Loading,
    Message,
    ModelInfo,
    Notice,
    Prompt,
    Sampling,
    ThoughtDelta,
    TierOptions,
    Usage,
    WorkerStatus,
)

# What counts as a reason to try another tier rather than to give up.
_TIER_FAILED = (EngineCrashed, ModelMissing, ModelCorrupt, TemplateError)
_FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "interrupted": "interrupted"}
_WHY_SHORT = {
    "length": "{tier} stopped after {usage.generated_tokens} tokens: its limit or its context",
    "repetition": "{tier} was stopped: it repeated itself",
    "garbage": "{tier} was stopped: it produced numbers that are not finite",
}


class Models(Protocol):
    """What a cascade needs of the pool."""

    def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]: ...
    def is_loaded(self, model: str) -> bool: ...
    def info(self, model: str) -> ModelInfo | None: ...
    async def load(self, model: str) -> object: ...
    def keep(self, models: Iterable[str], keepalive_s: float | None) -> None: ...
    def status(self) -> tuple[WorkerStatus, ...]: ...
    async def close(self) -> None: ...


class Cascade:
    """Answers prompts with the cascades of a catalogue. One event loop owns it."""

    def __init__(
        self, catalogue: Catalogue, models: Models, default: str, gates: GateBook | None = None
    ) -> None:
        if default not in catalogue.cascades:
            raise UsageError(
                f"no cascade named {default!r}", f"known: {', '.join(catalogue.cascades)}"
            )
        self._catalogue = catalogue
        self._models = models
        self._default = default
        self._gates = gates

    def cascades(self) -> dict[str, tuple[str, ...]]:
        """Name every cascade and its tiers, cheapest first."""
        return {
            name: tuple(tier.name for tier in spec.tiers)
            for name, spec in self._catalogue.cascades.items()
        }

    def titler(self, cascade: str) -> str | None:
        """Name the tier that is to find titles: the lowest, unless it knows one field only."""
        spec = self._catalogue.cascades[cascade]
        return None if spec.knows else spec.tiers[0].name

    def status_of_workers(self) -> tuple[WorkerStatus, ...]:
        """Describe the models of the pool, with the tiers that stand on them."""
        return tuple(
            msgspec.structs.replace(status, tiers=self._tiers_on(status.model))
            for status in self._models.status()
        )

    async def preload(self) -> None:
        """Load the default cascade, cheapest first; what fails is met again by a prompt."""
        for tier in self._catalogue.cascades[self._default].tiers:
            try:
                await self._models.load(tier.model)
            except TierchatError:
                continue
        self._models.keep(self._model_names(self._catalogue.cascades[self._default]), None)

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt, `Done` last; closing the iterator cancels the work.

        Raises UsageError, ContextTooLong, Timeout, or what the last usable tier failed with.
        """
        name = prompt.options.cascade or self._default
        if name not in self._catalogue.cascades:
            raise UsageError(
                f"no cascade named {name!r}", f"known: {', '.join(self._catalogue.cascades)}"
            )
        spec = self._catalogue.cascades[name]
        models = {tier.name: tier.model for tier in spec.tiers}
        gate, notice = await self._find_gate(name, spec)
        if notice:
            yield Notice(text=notice)
        run = _Run(prompt, spec, self._models, lambda tier: self._size(models[tier]), gate)
        try:
            async with aclosing(run.events()) as events:
                async for event in until(events, prompt.options.timeout_s):
                    yield event
        finally:
            self._models.keep(self._model_names(spec), prompt.options.keepalive_s)

    async def _find_gate(self, name: str, spec: CascadeSpec) -> tuple[FoundGate | None, str]:
        if self._gates is None:
            return None, ""
        if not self._gates.has_file(name):
            return None, self._gates.first_word(name, spec)
        # A model file that nobody has hashed yet takes seconds.
        return await asyncio.to_thread(self._gates.find, name, spec, self._catalogue.models)

    async def close(self) -> None:
        """End every worker."""
        await self._models.close()

    def _tiers_on(self, model: str) -> tuple[str, ...]:
        return tuple(
            tier.name
            for spec in self._catalogue.cascades.values()
            for tier in spec.tiers
            if tier.model == model
        )

    def _model_names(self, spec: CascadeSpec) -> list[str]:
        return list(dict.fromkeys(tier.model for tier in spec.tiers))

    def _size(self, model: str) -> float:
        info = self._models.info(model)
        return float(info.parameters if info else self._catalogue.models[model].parameters or 1)


class _Run:
    """One prompt on its way."""

    def __init__(
        self,
        prompt: Prompt,
        spec: CascadeSpec,
        models: Models,
        parameters: Callable[[str], float],
        gate: FoundGate | None = None,
    ) -> None:
        self._prompt = prompt
        self._spec = spec
        self._models = models
        self._gate = gate
        self._tiers = {tier.name: tier for tier in spec.tiers}
        self._climb = Climb(list(self._tiers), prompt.options)
        self._ledger = Ledger(parameters, spec.tiers[-1].name)
        self._began_s = time.monotonic()
        self._answer: list[str] = []
        self._thought: list[str] = []
        self._draft = ""

    async def events(self) -> AsyncGenerator[CascadeEvent, None]:
        while True:
            tier = self._tiers[self._climb.name]
            if not self._models.is_loaded(tier.model):
                yield Loading(tier=tier.name, model=tier.model)
            self._thought = []
            began_s = time.monotonic()
            end: RequestEvent | None = None
            try:
                async with aclosing(self._models.generate(tier.model, self._order(tier))) as events:
                    async for event in events:
                        if isinstance(event, Delta):
                            yield self._show(tier, event)
                        elif not isinstance(event, Progress):
                            end = event
            except _TIER_FAILED as error:
                end = self._failed(error, time.monotonic() - began_s)
            after = self._settle(tier, end)
            for follow_up in after:
                yield follow_up
            if isinstance(after[-1], Done):
                return

    def _order(self, tier: TierSpec) -> Generate:
        options = self._prompt.options
        return Generate(
            id=0,
            messages=self._messages(),
            sampling=_filled(self._prompt.sampling, tier.sampling),
            think=tier.think if self._prompt.think is None else self._prompt.think,
            gate=self._gate_order(tier, options),
        )

    def _gate_order(self, tier: TierSpec, options: TierOptions) -> GateOrder:
        order = GateOrder(
            kind=tier.gate,
            may_escalate=self._climb.may_escalate,
            hold=options.hold or "first",
            hold_back=self._spec.hold_back,
            escalate_threshold=tier.escalate_threshold,
            answer_threshold=tier.answer_threshold,
        )
        if self._gate is None or not self._climb.targets:
            # The top tier can only decline, which is for its own token.
            return order
        quality = QUALITIES["balanced"] if options.quality is None else options.quality
        return msgspec.structs.replace(
            order,
            kind="row",
            file=str(self._gate.path),
            tier=tier.name,
            targets=self._climb.targets,
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
                target = self._climb.after_verdict(end.verdict.target)
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
        notice = _WHY_SHORT.get(end.reason, "")
        if notice:
            self._ledger.notices.append(notice.format(tier=tier.name, usage=end.usage))
        if self._climb.is_below_asked:
            self._ledger.notices.append(
                f"answered by {tier.name}, below the asked {self._prompt.options.min_tier}"
            )
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
        target = self._climb.after_too_long()
        if target is None:
            raise ContextTooLong(
                f"{tier.name}: {end.message}",
                "shorten the prompt; no tier with a longer context may be asked",
                end.usage.prompt_tokens,
            )
        return [Hop(visit=visit, target=target)]

    def _go_around(self, tier: TierSpec, end: Failed) -> list[CascadeEvent]:
        visit = self._ledger.add(tier.name, tier.model, end.code, end.usage)
        target = self._climb.after_failure()
        if target is None:
            raise error_from_code(end.code, end.message, end.hint)
        notice = f"{tier.name} failed ({end.message}); going on with {target}"
        self._ledger.notices.append(notice)
        return [Notice(text=notice), Hop(visit=visit, target=target)]

    def _done(self, reason: FinishReason) -> list[CascadeEvent]:
        outcome = self._ledger.close(
            "".join(self._answer),
            "".join(self._thought),
            reason,
            time.monotonic() - self._began_s,
        )
        is_below = reason != "unanswered" and self._climb.is_below_asked
        return [Done(outcome=msgspec.structs.replace(outcome, is_below_asked=is_below))]


def _filled(asked: Sampling, default: Sampling) -> Sampling:
    """Take what the caller asked for, and the tier's own choice for the rest."""
    chosen = {
        field: getattr(default, field)
        for field in Sampling.__struct_fields__
        if getattr(asked, field) in (None, ())
    }
    return msgspec.structs.replace(asked, **chosen)
