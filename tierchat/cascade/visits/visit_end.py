"""What follows when a tier's visit has ended: the answer, a hop, a second try, or an error.

Does not know workers; the way's route chooses the next tier, the way's ledger keeps the cost.
"""

from __future__ import annotations

import msgspec

from tierchat.cascade.visits.endings import (
    BROKEN,
    empty,
    finish_reason,
    why_cut,
    why_short,
    why_unfit,
)
from tierchat.cascade.way import Refused, Way
from tierchat.errors import (
    BrokenToolCall,
    ContextTooLong,
    DoesNotFit,
    EngineCrashed,
    InvalidRequest,
    ModelCorrupt,
    ModelMissing,
    RefusedByTemplate,
    SchemaRefused,
    TemplateError,
    UsageError,
    error_from_code,
)
from tierchat.events import CascadeEvent, Hop
from tierchat.outcomes import FinishReason, Usage
from tierchat.workers.protocol import Escalated, Failed, Finished, RequestEvent

# Errors that a second try would meet again: same file, same memory, same template.
_UNUSABLE = (
    *(ModelMissing.code, DoesNotFit.code, ModelCorrupt.code),
    *(TemplateError.code, RefusedByTemplate.code),
)


class VisitEnd:
    """Enters the end of each visit into the ledger and leads the prompt on."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def events_after(self, end: RequestEvent | None) -> list[CascadeEvent]:
        """Return the events that follow the end of the current tier's visit; `Done` is the last.

        Raises what the tier failed with if no other tier is left.
        """
        match end:
            case Finished(reason="garbage") if not self._way.has_shown:
                # Without a word shown, this is a failure like any other.
                message = f"it produced {BROKEN}"
                failed = Failed(id=0, code=EngineCrashed.code, message=message, usage=end.usage)
                return self._after_failure(failed)
            case Finished(reason="broken_call"):
                return self._after_broken_call(end)
            case Finished():
                return self._finish(end)
            case Escalated():
                return self._after_escalation(end)
            case Failed(code=ContextTooLong.code):
                return self._after_too_long(end)
            case Failed(code=UsageError.code | InvalidRequest.code | SchemaRefused.code):
                # A request that one tier cannot use, no other tier can.
                error = error_from_code(end.code, end.message, end.hint)
                error.param = error.param or end.param
                raise error
            case Failed():
                return self._after_failure(end)
        model = self._way.tier.model
        raise EngineCrashed(f"the worker of {model} ended a request without a result")

    def _after_escalation(self, end: Escalated) -> list[CascadeEvent]:
        way, tier = self._way, self._way.tier
        way.waits.learn(end.usage, end.verdict)
        visit = way.ledger.add(tier.name, tier.model, end.verdict.reason, end.usage, end.verdict)
        way.draft = end.draft if way.prompt.options.draft and not end.cut else ""
        if (end.cut or end.unfit) and end.draft.strip():
            way.refused = Refused(visit, end)
        target = way.route.after_verdict(end.verdict.target)
        if way.route.is_fallback:
            why = f"{tier.name} would pass this on, but {way.missing()}"
            return [way.notice(f"{why}; {target} answers")]
        if target is None:
            return [self._unanswered()]
        hop = Hop(visit=visit, target=target)
        why = why_cut(tier.name, end.cut, is_json=False)
        return [way.notice(f"{why}; going on with {target}"), hop] if why else [hop]

    def _after_broken_call(self, end: Finished) -> list[CascadeEvent]:
        """Let the tier make its call once more, by a grammar; nobody above can do better."""
        way, tier = self._way, self._way.tier
        why = f"{tier.name} called a tool in a way that cannot be used ({end.unfit})"
        if way.calls:
            # The calls before it are whole, and the client has them.
            return self._finish(
                msgspec.structs.replace(
                    end, reason="stop", unfit="", notices=(*end.notices, f"{why}; it is left out")
                )
            )
        visit = way.ledger.add(tier.name, tier.model, end.unfit, end.usage, end.verdict)
        if way.is_repairing:
            raise BrokenToolCall(
                f"{why}, twice",
                "ask a larger model, or describe the tools and their parameters more closely",
            )
        way.repair_call()
        return [way.notice(f"{why}; asking it once more"), Hop(visit=visit, target=tier.name)]

    def _finish(self, end: Finished) -> list[CascadeEvent]:
        way, tier = self._way, self._way.tier
        begun = way.prompt.messages[-1].role == "assistant"
        may_be_empty = begun or way.prompt.only_reads
        is_empty = end.reason == "stop" and not may_be_empty and not way.answer.strip()
        is_empty = is_empty and not way.calls
        self._tell_of(end, is_empty=is_empty)
        way.stopped_by = end.stopped_by
        refused = way.refused if is_empty else None
        way.ledger.add(
            tier.name, tier.model, end.reason, end.usage, end.verdict, is_answer=refused is None
        )
        if refused:
            return self._show_refused(refused)
        return [way.done(finish_reason(end.reason))]

    def _tell_of(self, end: Finished, *, is_empty: bool) -> None:
        """Write into the ledger what the user should know of an answer."""
        way, tier = self._way, self._way.tier
        notices = list(end.notices)
        short = why_short(tier.name, end, way.sampling.sampling)
        if notice := empty(tier.name) if is_empty else short:
            notices.append(notice)
        if end.unfit and way.refused and way.refused.end.unfit:
            notices.append(why_unfit(tier.name, end.unfit))
        too_slow = way.waits.notice(way.route, end.verdict)
        way.waits.learn(end.usage, end.verdict)
        if too_slow:
            notices.append(too_slow)
        min_tier = way.prompt.options.min_tier
        if way.route.is_below_asked and min_tier:
            notices.insert(0, f"answered by {tier.name}, below the requested {min_tier}")
        way.ledger.notices += [words for words in notices if words not in way.ledger.notices]

    def _unanswered(self) -> CascadeEvent:
        way = self._way
        *others, last = dict.fromkeys(visit.tier for visit in way.ledger.visits)
        names = f"{', '.join(others)} and {last}" if others else last
        lines = (
            f"No tier can answer this: {names} declined.",
            way.cascade.spec.knows,
            way.cascade.spec.advice,
        )
        way.ledger.notices.append("\n".join(filter(None, lines)))
        return way.done("unanswered")

    def _after_too_long(self, end: Failed) -> list[CascadeEvent]:
        way, tier = self._way, self._way.tier
        # The tier's tokenizer counted the prompt, but the model computed nothing: it costs nothing.
        usage = Usage(seconds=end.usage.seconds)
        visit = way.ledger.add(tier.name, tier.model, end.message, usage)
        target = way.route.after_too_long()
        if way.refused and target in (None, way.refused.visit.tier):
            told = way.notice(f"{tier.name}: {end.message}")
            return [told, *self._show_refused(way.refused)]
        if target is None:
            why = end.hint or "no tier with a longer context may be asked"
            why = way.missing() if way.absent else why
            raise ContextTooLong(
                f"{tier.name}: {end.message}",
                f"shorten the prompt; {why}",
                end.usage.prompt_tokens,
            )
        if way.route.is_fallback:
            return [way.notice(f"{tier.name}: {end.message}; {target} answers")]
        return [Hop(visit=visit, target=target)]

    def _after_failure(self, end: Failed) -> list[CascadeEvent]:
        way, tier = self._way, self._way.tier
        visit = way.ledger.add(tier.name, tier.model, end.code, end.usage)
        is_unusable = end.code in _UNUSABLE
        target = way.route.after_unusable() if is_unusable else way.route.after_failure()
        if way.refused and target in (None, way.refused.visit.tier):
            failed = way.notice(f"{tier.name} failed ({end.message})")
            return [failed, *self._show_refused(way.refused)]
        if target is None:
            raise error_from_code(end.code, end.message, end.hint)
        next_try = "trying it once more" if target == tier.name else f"going on with {target}"
        notice = way.notice(f"{tier.name} failed ({end.message}); {next_try}")
        return [notice, Hop(visit=visit, target=target)]

    def _show_refused(self, refused: Refused) -> list[CascadeEvent]:
        """Show what a tier wrote and did not give: nothing better will come."""
        way, end, visit = self._way, refused.end, refused.visit
        is_json = way.prompt.sampling.json_schema is not None
        why = why_cut(visit.tier, end.cut, is_json) or why_unfit(visit.tier, end.unfit)
        way.ledger.notices.append(why)
        shown = way.show_instead(end.draft, visit, end.logprobs)
        way.ledger.answered_by(visit)
        reason: FinishReason = "length" if end.cut else "misfit" if end.is_misfit else "stop"
        return [shown, way.done(reason)]
