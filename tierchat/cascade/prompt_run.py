"""One prompt on its way over the tiers: run a tier, obey its gate, go on, keep the ledger.

Does not know cascades by name, HTTP or how workers are kept; `Models` is the seam to the pool.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from tierchat.cascade.endings import (
    BROKEN,
    empty,
    finish_reason,
    why_cut,
    why_short,
    why_unfit,
)
from tierchat.cascade.gate_orders import order_for
from tierchat.cascade.ledger import Ledger
from tierchat.cascade.preload import Preloader
from tierchat.cascade.prepared import Models, PreparedCascade
from tierchat.cascade.route import Route
from tierchat.cascade.waits import Waits
from tierchat.config.catalogue import TierSpec
from tierchat.errors import (
    ContextTooLong,
    DoesNotFit,
    EngineCrashed,
    ModelCorrupt,
    ModelMissing,
    RefusedByTemplate,
    SchemaRefused,
    TemplateError,
    TierchatError,
    UsageError,
    error_from_code,
)
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Hop,
    Loading,
    Notice,
    Starting,
    ThoughtDelta,
    Working,
)
from tierchat.models.sampling import Resolved
from tierchat.types import FinishReason, Message, Prompt, Usage, Visit
from tierchat.workers.protocol import (
    Delta,
    Escalated,
    Failed,
    Finished,
    Generate,
    Progress,
    RequestEvent,
)

# Errors after which another tier is tried.
_TIER_FAILED = (EngineCrashed, ModelMissing, ModelCorrupt, TemplateError, DoesNotFit)
# Errors that a second try would meet again: same file, same memory, same template.
_UNUSABLE = (
    *(ModelMissing.code, DoesNotFit.code, ModelCorrupt.code),
    *(TemplateError.code, RefusedByTemplate.code),
)


@dataclass(frozen=True)
class _Refused:
    """An answer that was refused before any of it was shown; the last thing to show."""

    visit: Visit
    end: Escalated


class PromptRun:
    """One prompt on its way over the tiers of one cascade."""

    def __init__(
        self, prompt: Prompt, cascade: PreparedCascade, models: Models, preloader: Preloader
    ) -> None:
        self._prompt = prompt
        self._cascade = cascade
        self._models = models
        self._preloader = preloader
        self._tiers = {tier.name: tier for tier in cascade.spec.tiers}
        self._absent = [tier.name for tier in cascade.spec.tiers if tier.model in cascade.absent]
        self._route = Route(
            list(self._tiers), prompt.options, self._absent, cascade.beginning.floor
        )
        self._waits = Waits(
            prompt,
            cascade.spec.tiers,
            models.speed,
            cascade.beginning.earlier.num_read,
            cascade.gate.head if cascade.gate else None,
        )
        self._too_slow = self._waits.begin(self._route, cascade.beginning.kept_floor)
        self._began = cascade.beginning.told(list(self._tiers), self._route.name, prompt.options)
        self._ledger = Ledger(
            lambda tier: cascade.parameters[self._tiers[tier].model], cascade.spec.tiers[-1].name
        )
        self._began_s = time.monotonic()
        self._answer: list[str] = []
        self._thought: list[str] = []
        self._draft = ""
        self._sampling = Resolved(prompt.sampling, {})
        self._refused: _Refused | None = None

    async def events(self) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of the prompt, `Done` last.

        Raises UsageError, ContextTooLong, or what the last usable tier failed with.
        """
        for text in (*self._cascade.notices, self._too_slow):
            if text:
                yield self._notice(text)
        if self._absent and self._route.is_fallback:
            yield self._notice(f"answering with {self._route.name}: {self._missing()}")
        while True:
            tier = self._tiers[self._route.name]
            expected_s = self._ledger.expected_wait_s = self._waits.expected_s(tier.name)
            if self._cascade.gate is None:
                self._waits.leave_out_slow(self._route)
            if not self._models.is_loaded(tier.model):
                yield Loading(tier=tier.name, model=tier.model)
            if self._prompt.options.progress:
                yield Starting(tier=tier.name, expected_s=expected_s)
            self._look_ahead(tier)
            self._thought = []
            began_s = time.monotonic()
            end: RequestEvent | None = None
            try:
                self._sampling = await self._resolve_sampling(tier)
                request = self._request(tier)
                async with aclosing(self._models.generate(tier.model, request)) as events:
                    async for event in events:
                        notice = self._models.take_notice(tier.model)
                        if notice:
                            yield self._notice(notice)
                        if isinstance(event, Delta):
                            yield self._show(tier, event)
                        elif not isinstance(event, Progress):
                            end = event
                        elif self._prompt.options.progress:
                            yield _working(tier, event)
            except _TIER_FAILED as error:
                end = self._as_failed(error, time.monotonic() - began_s)
            self._preloader.record(tier.model, isinstance(end, Escalated))
            after = self._after(tier, end)
            for follow_up in after:
                yield follow_up
            if isinstance(after[-1], Done):
                return

    @property
    def shown(self) -> tuple[str, str] | None:
        """The tier that is answering and its answer as far as it was shown; None before that."""
        return (self._route.name, "".join(self._answer)) if self._answer else None

    @property
    def _is_json(self) -> bool:
        return self._prompt.sampling.json_schema is not None

    def _look_ahead(self, tier: TierSpec) -> None:
        if self._route.targets:
            above = self._tiers[self._route.targets[0]]
            self._preloader.prepare(tier.model, above.model)

    def _request(self, tier: TierSpec) -> Generate:
        return Generate(
            id=0,
            messages=self._messages(),
            sampling=self._sampling.sampling,
            think=tier.think,
            is_raw=self._prompt.options.raw,
            gate=self._waits.limit(
                order_for(
                    tier,
                    self._route,
                    self._prompt.options,
                    self._cascade.spec,
                    self._cascade.gate,
                    self._cascade.beginning.earlier,
                )
            ),
        )

    async def _resolve_sampling(self, tier: TierSpec) -> Resolved:
        asked, find = self._prompt.sampling, self._cascade.sampling
        if find is None:
            return Resolved(asked.filled(tier.sampling), {})
        sources = await asyncio.to_thread(find, tier.name)
        return sources.resolve(asked)

    def _messages(self) -> tuple[Message, ...]:
        *earlier, last = self._prompt.messages
        if not self._draft or last.role != "user":
            return self._prompt.messages
        text = f"{last.content}\n\nA smaller model's draft, perhaps wrong:\n{self._draft}"
        return (*earlier, Message(role=last.role, content=text))

    def _show(self, tier: TierSpec, delta: Delta) -> CascadeEvent:
        if delta.thought:
            self._thought.append(delta.thought)
            return ThoughtDelta(tier=tier.name, text=delta.thought)
        self._answer.append(delta.answer)
        return AnswerDelta(text=delta.answer)

    def _as_failed(self, error: TierchatError, seconds: float) -> Failed:
        if self._answer:
            # Text that was shown is never taken back, and another tier cannot continue it.
            raise error
        usage = Usage(seconds=seconds)
        return Failed(id=0, code=error.code, message=error.message, hint=error.hint, usage=usage)

    def _after(self, tier: TierSpec, end: RequestEvent | None) -> list[CascadeEvent]:
        """Enter the end of a tier's run into the ledger and return the events that follow it."""
        match end:
            case Finished(reason="garbage") if not self._answer:
                # Without a word shown, this is a failure like any other.
                message = f"it produced {BROKEN}"
                failed = Failed(id=0, code=EngineCrashed.code, message=message, usage=end.usage)
                return self._after_failure(tier, failed)
            case Finished():
                return self._finish(tier, end)
            case Escalated():
                return self._after_escalation(tier, end)
            case Failed(code=ContextTooLong.code):
                return self._after_too_long(tier, end)
            case Failed(code=UsageError.code | SchemaRefused.code):
                # A request that one tier cannot use, no other tier can.
                raise error_from_code(end.code, end.message, end.hint)
            case Failed():
                return self._after_failure(tier, end)
        raise EngineCrashed(f"the worker of {tier.model} ended a request without a result")

    def _after_escalation(self, tier: TierSpec, end: Escalated) -> list[CascadeEvent]:
        reason = end.verdict.reason
        self._waits.learn(end.usage, end.verdict)
        visit = self._ledger.add(tier.name, tier.model, reason, end.usage, end.verdict)
        self._draft = end.draft if self._prompt.options.draft and not end.cut else ""
        if (end.cut or end.unfit) and end.draft.strip():
            self._refused = _Refused(visit, end)
        target = self._route.after_verdict(end.verdict.target)
        if self._route.is_fallback:
            why = f"{tier.name} would pass this on, but {self._missing()}"
            return [self._notice(f"{why}; {target} answers")]
        if target is None:
            return self._unanswered()
        hop = Hop(visit=visit, target=target)
        why = why_cut(tier.name, end.cut, is_json=False)
        return [self._notice(f"{why}; going on with {target}"), hop] if why else [hop]

    def _finish(self, tier: TierSpec, end: Finished) -> list[CascadeEvent]:
        notices = list(end.notices)
        begun = self._prompt.messages[-1].role == "assistant"
        is_empty = end.reason == "stop" and not begun and not "".join(self._answer).strip()
        notice = (
            empty(tier.name) if is_empty else why_short(tier.name, end, self._sampling.sampling)
        )
        if notice:
            notices.append(notice)
        if end.unfit and self._refused and self._refused.end.unfit:
            notices.append(why_unfit(tier.name, end.unfit))
        too_slow = self._waits.notice(self._route, end.verdict)
        self._waits.learn(end.usage, end.verdict)
        if too_slow:
            notices.append(too_slow)
        min_tier = self._prompt.options.min_tier
        if self._route.is_below_asked and min_tier:
            notices.insert(0, f"answered by {tier.name}, below the requested {min_tier}")
        self._ledger.notices += [words for words in notices if words not in self._ledger.notices]
        refused = self._refused if is_empty else None
        self._ledger.add(
            tier.name, tier.model, end.reason, end.usage, end.verdict, is_answer=refused is None
        )
        if refused:
            return self._show_refused(refused)
        return self._done(finish_reason(end.reason))

    def _unanswered(self) -> list[CascadeEvent]:
        *others, last = dict.fromkeys(visit.tier for visit in self._ledger.visits)
        names = f"{', '.join(others)} and {last}" if others else last
        lines = (
            f"No tier can answer this: {names} declined.",
            self._cascade.spec.knows,
            self._cascade.spec.advice,
        )
        self._ledger.notices.append("\n".join(filter(None, lines)))
        return self._done("unanswered")

    def _after_too_long(self, tier: TierSpec, end: Failed) -> list[CascadeEvent]:
        # The tier's tokenizer counted the prompt, but the model computed nothing: it costs nothing.
        usage = Usage(seconds=end.usage.seconds)
        visit = self._ledger.add(tier.name, tier.model, end.message, usage)
        target = self._route.after_too_long()
        if self._refused and target in (None, self._refused.visit.tier):
            told = self._notice(f"{tier.name}: {end.message}")
            return [told, *self._show_refused(self._refused)]
        if target is None:
            why = end.hint or "no tier with a longer context may be asked"
            why = self._missing() if self._absent else why
            raise ContextTooLong(
                f"{tier.name}: {end.message}",
                f"shorten the prompt; {why}",
                end.usage.prompt_tokens,
            )
        if self._route.is_fallback:
            return [self._notice(f"{tier.name}: {end.message}; {target} answers")]
        return [Hop(visit=visit, target=target)]

    def _after_failure(self, tier: TierSpec, end: Failed) -> list[CascadeEvent]:
        visit = self._ledger.add(tier.name, tier.model, end.code, end.usage)
        is_unusable = end.code in _UNUSABLE
        target = self._route.after_unusable() if is_unusable else self._route.after_failure()
        if self._refused and target in (None, self._refused.visit.tier):
            failed = self._notice(f"{tier.name} failed ({end.message})")
            return [failed, *self._show_refused(self._refused)]
        if target is None:
            raise error_from_code(end.code, end.message, end.hint)
        next_try = "trying it once more" if target == tier.name else f"going on with {target}"
        notice = self._notice(f"{tier.name} failed ({end.message}); {next_try}")
        return [notice, Hop(visit=visit, target=target)]

    def _show_refused(self, refused: _Refused) -> list[CascadeEvent]:
        """Show what a tier wrote and did not give: nothing better will come."""
        end, visit = refused.end, refused.visit
        why = why_cut(visit.tier, end.cut, self._is_json) or why_unfit(visit.tier, end.unfit)
        self._ledger.notices.append(why)
        self._answer, self._thought = [end.draft], []
        self._ledger.answered_by(visit)
        reason: FinishReason = "length" if end.cut else "misfit" if end.is_misfit else "stop"
        return [AnswerDelta(text=end.draft), *self._done(reason)]

    def _notice(self, text: str) -> Notice:
        self._ledger.notices.append(text)
        return Notice(text=text)

    def _missing(self) -> str:
        """Say which higher tiers are not on this machine, or that none can be loaded."""
        names = list(self._tiers)
        above = [n for n in names[names.index(self._route.name) + 1 :] if n in self._absent]
        if not above:
            return "no better tier can be loaded"
        verb = "is" if len(above) == 1 else "are"
        return f"{' and '.join(above)} {verb} not on this machine ({self._cascade.next_step})"

    def _done(self, reason: FinishReason) -> list[CascadeEvent]:
        outcome = self._ledger.close(
            "".join(self._answer),
            "".join(self._thought),
            reason,
            time.monotonic() - self._began_s,
        )
        is_below = reason != "unanswered" and self._route.is_below_asked
        up = self._prompt.options.up
        outcome = msgspec.structs.replace(
            outcome,
            is_below_asked=is_below,
            sampling=dict(self._sampling.values),
            began=self._began,
            floor=self._cascade.beginning.floor_after(list(self._tiers), outcome.tier, is_up=up),
        )
        return [Done(outcome=outcome)]


def _working(tier: TierSpec, progress: Progress) -> Working:
    return Working(
        tier=tier.name,
        computed=progress.computed,
        total=progress.total,
        generated=progress.generated,
        seconds=progress.seconds,
    )
