"""One prompt on its way over the tiers: run a tier, obey its gate, go on, until one answers.

Does not know cascades by name, HTTP or how workers are kept; `Models` is the seam to the pool.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tierchat.cascade.preload import Preloader
from tierchat.cascade.prepared import Models, PreparedCascade
from tierchat.cascade.visits.tier_request import request_for, resolve_sampling
from tierchat.cascade.visits.visit_end import VisitEnd
from tierchat.cascade.way import Way
from tierchat.config.catalogue import TierSpec
from tierchat.errors import (
    DoesNotFit,
    EngineCrashed,
    ModelCorrupt,
    ModelMissing,
    TemplateError,
    TierchatError,
)
from tierchat.events import CascadeEvent, Done, Loading, PromptScored, Starting, Working
from tierchat.outcomes import Usage
from tierchat.types import Prompt
from tierchat.workers.protocol import (
    Called,
    Delta,
    Escalated,
    Failed,
    Progress,
    RequestEvent,
    Scored,
)

# Errors after which another tier is tried.
_TIER_FAILED = (EngineCrashed, ModelMissing, ModelCorrupt, TemplateError, DoesNotFit)


class PromptRun:
    """One prompt on its way over the tiers of one cascade."""

    def __init__(
        self, prompt: Prompt, cascade: PreparedCascade, models: Models, preloader: Preloader
    ) -> None:
        self._models = models
        self._preloader = preloader
        self._way = Way(prompt, cascade, models.speed)
        self._visit_end = VisitEnd(self._way)
        self._shows_progress = prompt.options.progress

    async def events(self) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of the prompt, `Done` last.

        Raises UsageError, ContextTooLong, or what the last usable tier failed with.
        """
        way = self._way
        for notice in way.opening():
            yield notice
        while True:
            tier = way.tier
            expected_s = way.ledger.expected_wait_s = way.waits.expected_s(tier.name)
            if way.cascade.gate is None:
                way.waits.leave_out_slow(way.route)
            if not self._models.is_loaded(tier.model):
                yield Loading(tier=tier.name, model=tier.model)
            if self._shows_progress:
                yield Starting(tier=tier.name, expected_s=expected_s)
            if way.above:
                self._preloader.prepare(tier.model, way.above.model)
            way.begin_visit()
            began_s = time.monotonic()
            end: RequestEvent | None = None
            try:
                way.sampling = await resolve_sampling(way)
                request = request_for(way)
                async with aclosing(self._models.generate(tier.model, request)) as events:
                    async for event in events:
                        said = self._models.take_notice(tier.model)
                        if said:
                            yield way.notice(said)
                        if isinstance(event, Delta):
                            yield way.show(event)
                        elif isinstance(event, Called):
                            for piece in way.show_call(event):
                                yield piece
                        elif isinstance(event, Scored):
                            yield PromptScored(tokens=event.tokens)
                        elif not isinstance(event, Progress):
                            end = event
                        elif self._shows_progress:
                            yield _working(tier, event)
            except _TIER_FAILED as error:
                end = self._as_failed(error, time.monotonic() - began_s)
            self._preloader.record(tier.model, isinstance(end, Escalated))
            after = self._visit_end.events_after(end)
            for follow_up in after:
                yield follow_up
            if isinstance(after[-1], Done):
                return

    @property
    def shown(self) -> tuple[str, str] | None:
        """The tier that is answering and its answer as far as it was shown; None before that."""
        answer = self._way.answer
        return (self._way.route.name, answer) if answer else None

    def _as_failed(self, error: TierchatError, seconds: float) -> Failed:
        if self._way.has_shown:
            # Text that was shown is never taken back, and another tier cannot continue it.
            raise error
        usage = Usage(seconds=seconds)
        return Failed(id=0, code=error.code, message=error.message, hint=error.hint, usage=usage)


def _working(tier: TierSpec, progress: Progress) -> Working:
    return Working(
        tier=tier.name,
        computed=progress.computed,
        total=progress.total,
        generated=progress.generated,
        seconds=progress.seconds,
    )
