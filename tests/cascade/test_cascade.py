"""The way of a prompt over scripted tiers: hops, crashes, drafts, timeouts, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tierchat.cascade.cascade import Cascade
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.errors import (
    ContextTooLong,
    DoesNotFit,
    EngineCrashed,
    ModelMissing,
    RefusedByTemplate,
    Timeout,
    UsageError,
)
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Notice
from tierchat.gates.lookup import GateLookup
from tierchat.models.verified_files import VerifiedFiles
from tierchat.outcomes import Outcome, Usage
from tierchat.types import Message, Prompt, Sampling, TierOptions, Verdict
from tierchat.workers.protocol import (
    Delta,
    Escalated,
    Failed,
    Finished,
    Generate,
    Progress,
    RequestEvent,
)
from tierchat.workers.speeds import ModelSpeed

Step = RequestEvent | Exception | float
USAGE = Usage(prompt_tokens=10, generated_tokens=2, seconds=0.1)
PREFILL = Usage(prompt_tokens=10, seconds=0.1)
UP = Verdict(escalate=True, reason="escalate token", estimates={"escalate_probability": 0.9})


def answer(text: str) -> list[Step]:
    return [Progress(id=0, computed=1, total=2), Delta(id=0, answer=text), finished()]


def finished(reason: str = "stop") -> Finished:
    return Finished(id=0, reason=reason, usage=USAGE)


def up(draft: str = "", verdict: Verdict = UP) -> list[Step]:
    return [Escalated(id=0, stage="prefill", verdict=verdict, usage=PREFILL, draft=draft)]


@dataclass
class Scripted:
    """Models that do what their script says, one list of steps a call; a float is a wait."""

    scripts: dict[str, list[list[Step]]]
    orders: list[tuple[str, Generate]] = field(default_factory=list)
    kept: list[float | None] = field(default_factory=list)
    num_closed_early: int = 0
    absent: tuple[str, ...] = ()
    notices: dict[str, str] = field(default_factory=dict)
    ahead: list[str] = field(default_factory=list)
    unloaded: tuple[str, ...] = ()
    token_s: dict[str, float] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        self.orders.append((model, order))
        is_over = False
        try:
            for step in self.scripts[model].pop(0):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
            is_over = True
        finally:
            self.num_closed_early += not is_over

    def is_loaded(self, model: str) -> bool:
        return model not in self.unloaded

    def speed(self, model: str, think: bool | None = None) -> ModelSpeed:
        token_s = self.token_s.get(model, 0.0)
        return ModelSpeed(load_s=0.0, prompt_token_s=token_s / 10, token_s=token_s)

    def template_sha256(self, model: str) -> str | None:
        return self.templates.get(model)

    def is_present(self, model: str) -> bool:
        return model not in self.absent

    def take_notice(self, model: str) -> str:
        return self.notices.pop(model, "")

    def plan_as_part_of(self, cascade: str, models: Iterable[str]) -> None:
        return

    async def load_ahead(self, model: str) -> None:
        self.ahead.append(model)

    def keep(self, models: Iterable[str], keepalive_s: float | None) -> None:
        self.kept.append(keepalive_s)

    async def close(self) -> None:
        return


CATALOGUE = Catalogue(
    models={
        name: ModelSpec(file=name, parameters=size)
        for name, size in (("xs", 1), ("s", 5), ("m", 20))
    },
    cascades={
        "three": CascadeSpec(
            tiers=tuple(TierSpec(name=n.upper(), model=n, gate="token") for n in ("xs", "s", "m")),
            knows="They know sums.",
            advice="Ask a sum.",
        )
    },
)


def run(
    models: Scripted,
    catalogue: Catalogue = CATALOGUE,
    sampling: Sampling | None = None,
    **options: object,
) -> list[CascadeEvent]:
    cascade = Cascade(catalogue, models, "three")
    message = Message(role="user", content="q")
    chosen = TierOptions(**options)  # type: ignore[arg-type]
    prompt = Prompt(messages=(message,), options=chosen, sampling=sampling or Sampling())

    async def main() -> list[CascadeEvent]:
        return [event async for event in cascade.answer(prompt)]

    return asyncio.run(main())


CHECK_FILE = "check `file` in models.toml"
FROM_HUB = msgspec.structs.replace(
    CATALOGUE,
    models={
        name: ModelSpec(file=name, repo="someone/something", parameters=1)
        for name in ("xs", "s", "m")
    },
)


def outcome(events: list[CascadeEvent]) -> Outcome:
    assert isinstance(events[-1], Done)
    return events[-1].outcome


def test_the_first_tier_that_keeps_it_answers() -> None:
    models = Scripted({"xs": [up()], "s": [answer("408")]})
    events = run(models)
    assert [type(e).__name__ for e in events] == ["Hop", "AnswerDelta", "Done"]
    found = outcome(events)
    assert found.answer == "408" and found.tier == "S"
    assert [visit.reason for visit in found.path] == ["escalate token", "stop"]
    assert found.relative_compute == pytest.approx((10 + 5 * 12) / (20 * 12))
    assert models.kept == [None]


def test_when_all_decline_it_is_unanswered_and_says_what_to_do() -> None:
    found = outcome(run(Scripted({"xs": [up()], "s": [up()], "m": [up()]})))
    assert found.finish_reason == "unanswered" and found.tier is None and found.answer == ""
    said = found.notices[-1]
    assert "XS, S and M declined" in said and "They know sums." in said and "Ask a sum." in said


def test_a_gate_can_jump_over_a_tier() -> None:
    jump = Verdict(escalate=True, reason="needs M", target="M")
    models = Scripted({"xs": [up(verdict=jump)], "m": [answer("x")]})
    assert [visit.tier for visit in outcome(run(models)).path] == ["XS", "M"]


def test_a_pinned_tier_gets_no_leave_to_escalate() -> None:
    models = Scripted({"s": [answer("x")]})
    run(models, tier="S")
    ((_, order),) = models.orders
    assert not order.gate.may_escalate


def test_the_draft_is_handed_on_only_when_asked() -> None:
    for draft, expected in ((False, "q"), (True, "perhaps wrong")):
        models = Scripted({"xs": [up(draft="41?")], "s": [answer("x")]})
        run(models, draft=draft)
        assert expected in models.orders[1][1].messages[-1].content


def test_a_prompt_too_long_goes_up_for_free() -> None:
    long = Failed(
        id=0,
        code="context_length_exceeded",
        message="too long",
        usage=Usage(prompt_tokens=900),
    )
    found = outcome(run(Scripted({"xs": [[long]], "s": [answer("x")]})))
    assert found.tier == "S" and found.escalation_tokens == 0
    with pytest.raises(ContextTooLong) as caught:
        run(Scripted({"xs": [[long]], "s": [[long]], "m": [[long]]}))
    assert caught.value.num_tokens == 900


@pytest.mark.parametrize("error", [EngineCrashed("died"), ModelMissing("gone")])
def test_a_tier_that_fails_is_passed_over_with_a_notice(error: Exception) -> None:
    events = run(Scripted({"xs": [[error]], "s": [answer("x")]}))
    assert isinstance(events[0], Notice) and "XS failed" in events[0].text
    assert isinstance(events[1], Hop) and outcome(events).tier == "S"


def test_what_one_template_refuses_is_given_to_the_tier_above_and_is_else_refused() -> None:
    refusal = Failed(id=0, code=RefusedByTemplate.code, message="roles must alternate")
    events = run(Scripted({"xs": [[refusal]], "s": [answer("x")]}))
    assert isinstance(events[0], Notice) and "roles must alternate" in events[0].text
    assert outcome(events).tier == "S"
    with pytest.raises(RefusedByTemplate) as caught:
        run(Scripted({tier: [[refusal]] for tier in ("xs", "s", "m")}))
    assert (caught.value.http_status, caught.value.param) == (400, "messages")


def test_a_crash_after_the_first_word_is_an_error_and_nothing_is_retracted() -> None:
    models = Scripted({"xs": [[Delta(id=0, answer="4"), EngineCrashed("died")]]})
    cascade = Cascade(CATALOGUE, models, "three")
    seen: list[CascadeEvent] = []

    async def main() -> None:
        prompt = Prompt(messages=(Message(role="user", content="q"),))
        async for event in cascade.answer(prompt):
            seen.append(event)

    with pytest.raises(EngineCrashed):
        asyncio.run(main())
    assert seen == [AnswerDelta(text="4", model="xs", tier="XS")]


def test_a_crash_at_the_top_is_tried_again_and_then_goes_down_below_the_asked_tier() -> None:
    crash: list[Step] = [EngineCrashed("died")]
    events = run(Scripted({"m": [crash, crash], "s": [answer("x")]}), min_tier="M")
    found = outcome(events)
    assert found.tier == "S" and found.is_below_asked
    assert any("below the requested M" in notice for notice in found.notices)


def test_when_nothing_is_left_the_failure_itself_is_raised() -> None:
    crash: list[Step] = [EngineCrashed("died")]
    with pytest.raises(EngineCrashed, match="died"):
        run(Scripted({"m": [crash, crash]}), tier="M")


@pytest.mark.parametrize("reason", ["length", "repetition", "garbage"])
def test_an_answer_cut_short_says_why(reason: str) -> None:
    steps: list[Step] = [Delta(id=0, answer="4"), finished(reason)]
    found = outcome(run(Scripted({"xs": [steps]})))
    assert found.finish_reason == "length" and found.notices


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        (None, "its context of 12 tokens is full"),
        (0, "its context of 12 tokens is full"),
        (9, "its context of 12 tokens is full"),
        (2, "it reached its token limit, max_tokens = 2"),
    ],
)
def test_an_answer_that_is_too_long_names_its_limit(limit: int | None, why: str) -> None:
    steps: list[Step] = [Delta(id=0, answer="4"), finished("length")]
    found = outcome(run(Scripted({"xs": [steps]}), sampling=Sampling(max_tokens=limit)))
    assert found.notices == (f"XS stopped after 2 tokens: {why}",)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_answer_names_its_tier(text: str) -> None:
    found = outcome(run(Scripted({"xs": [answer(text)]})))
    assert found.finish_reason == "stop"
    assert found.notices == ("XS gave an empty answer",)


def test_a_timeout_ends_it_and_cancels_the_work() -> None:
    models = Scripted({"xs": [[5.0, *answer("4")]]})
    with pytest.raises(Timeout, match=r"0\.05 s"):
        run(models, timeout_s=0.05)
    assert models.num_closed_early == 1


def test_leaving_early_cancels_the_work() -> None:
    models = Scripted({"xs": [[Delta(id=0, answer="4"), 5.0]]})
    cascade = Cascade(CATALOGUE, models, "three")

    async def main() -> None:
        events = cascade.answer(Prompt(messages=(Message(role="user", content="q"),)))
        await anext(events)
        await events.aclose()

    asyncio.run(main())
    assert models.num_closed_early == 1


def test_an_unknown_cascade_is_named() -> None:
    with pytest.raises(UsageError, match="nope"):
        run(Scripted({}), cascade="nope")


def test_options_of_the_caller_reach_the_request() -> None:
    models = Scripted({"xs": [answer("4")]})
    run(models, keepalive_s=0.0, hold="answer")
    ((_, order),) = models.orders
    assert order.gate.hold == "answer" and models.kept == [0.0]


LINES = Verdict(escalate=True, reason="several lines where one was asked")


def unfit(draft: str, cut: str = "", reason: str = LINES.reason) -> list[Step]:
    verdict = msgspec.structs.replace(LINES, reason=reason)
    end = Escalated(id=0, stage="answer", verdict=verdict, usage=USAGE, draft=draft)
    is_misfit = "schema" in reason
    return [msgspec.structs.replace(end, unfit=reason, cut=cut, is_misfit=is_misfit)]


def test_an_unfit_answer_goes_up_and_the_ledger_says_why() -> None:
    events = run(Scripted({"xs": [unfit("a\nb", cut="form")], "s": [answer("a")]}))
    found = outcome(events)
    assert (found.tier, found.answer, found.notices) == ("S", "a", ())
    assert [visit.reason for visit in found.path] == [LINES.reason, "stop"]
    assert found.path[0].discarded_tokens == USAGE.generated_tokens


def test_where_the_top_tier_does_no_better_its_answer_is_shown_and_named() -> None:
    end = msgspec.structs.replace(finished(), unfit=LINES.reason)
    top: list[Step] = [Delta(id=0, answer="c\nd"), end]
    scripts = {"xs": [unfit("a\nb")], "s": [unfit("e\nf")], "m": [top]}
    found = outcome(run(Scripted(scripts)))
    assert (found.tier, found.answer, found.finish_reason) == ("M", "c\nd", "stop")
    assert found.notices == (f"the answer of M is not as asked: {LINES.reason}",)
    [alone] = [outcome(run(Scripted({"xs": [list(top)]})))]
    assert alone.notices == ()


@pytest.mark.parametrize(
    ("cut", "reason", "finish"),
    [
        ("", LINES.reason, "stop"),
        ("form", LINES.reason, "length"),
        ("", "does not fit the schema: x", "misfit"),
    ],
)
def test_where_the_tiers_above_fail_an_unfit_answer_is_not_lost(
    cut: str, reason: str, finish: str
) -> None:
    def scripts(top: list[list[Step]]) -> Scripted:
        return Scripted({"xs": [unfit("a\nb", cut, reason)], "s": [up()], "m": top})

    found = outcome(run(scripts([answer("")])))
    assert (found.tier, found.answer, found.finish_reason) == ("XS", "a\nb", finish)
    assert f"the answer of XS is not as asked: {reason}" in found.notices
    crash: list[Step] = [EngineCrashed("died")]
    lower = Scripted({"xs": [unfit("a\nb", cut, reason)], "s": [crash, crash], "m": [crash, crash]})
    found = outcome(run(lower))
    assert (found.tier, found.answer, found.is_below_asked) == ("XS", "a\nb", True)


def notices(events: list[CascadeEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


def test_when_no_model_is_here_the_command_that_fetches_them_is_named() -> None:
    models = Scripted({}, absent=("xs", "s", "m"))
    with pytest.raises(ModelMissing, match="no model file at xs, s, m") as caught:
        run(models)
    assert "models.toml" in caught.value.hint and caught.value.exit_code == 3
    with pytest.raises(ModelMissing, match="not on this machine yet: xs, s, m") as caught:
        run(models, FROM_HUB)
    assert caught.value.hint == "run: tierchat pull three"
    assert not models.orders


def test_files_and_models_of_the_hub_that_are_missing_get_a_next_step_each() -> None:
    both = {**FROM_HUB.models, "xs": ModelSpec(file="/own/xs.gguf")}
    catalogue = msgspec.structs.replace(FROM_HUB, models=both)
    with pytest.raises(ModelMissing) as caught:
        run(Scripted({}, absent=("xs", "s", "m")), catalogue)
    assert caught.value.message == "not on this machine yet: s, m; no model file at /own/xs.gguf"
    assert caught.value.hint == f"run: tierchat pull three; {CHECK_FILE}"


def test_a_pinned_model_of_the_hub_is_fetched_by_its_own_name() -> None:
    with pytest.raises(ModelMissing, match=r"not on this machine yet: s$") as caught:
        run(Scripted({}, absent=("s",)), FROM_HUB, tier="s")
    assert caught.value.hint == "run: tierchat pull s"


def test_a_tier_that_answers_for_one_of_the_hub_names_the_command_that_fetches_it() -> None:
    events = run(Scripted({"xs": [up(), answer("x")]}, absent=("s", "m")), FROM_HUB)
    said = "S and M are not on this machine (run: tierchat pull three)"
    assert notices(events) == [f"XS would pass this on, but {said}; XS answers"]
    long = Failed(id=0, code="context_length_exceeded", message="too long", usage=USAGE)
    with pytest.raises(ContextTooLong) as caught:
        run(Scripted({"xs": [[long]]}, absent=("s", "m")), FROM_HUB)
    assert caught.value.hint == f"shorten the prompt; {said}"


@pytest.mark.parametrize("hint", ["", "the model can read more"])
def test_a_prompt_that_no_tier_can_read_tells_of_a_longer_context(hint: str) -> None:
    code = ContextTooLong.code
    long = Failed(id=0, code=code, message="too long", hint=hint, usage=USAGE)
    with pytest.raises(ContextTooLong) as caught:
        run(Scripted({name: [[long]] for name in ("xs", "s", "m")}))
    why = hint or "no tier with a longer context may be asked"
    assert caught.value.hint == f"shorten the prompt; {why}"


def test_a_cascade_that_is_not_here_uses_up_no_hint_to_teach_it(tmp_path: Path) -> None:
    tiers = tuple(TierSpec(name=name.upper(), model=name) for name in ("xs", "s", "m"))
    catalogue = msgspec.structs.replace(FROM_HUB, cascades={"three": CascadeSpec(tiers=tiers)})
    models = Scripted({"xs": [answer("x")]}, absent=("xs", "s", "m"))
    gates = GateLookup(tmp_path, VerifiedFiles(tmp_path / "verified.json"))
    cascade = Cascade(catalogue, models, "three", gates)

    async def ask() -> list[CascadeEvent]:
        message = Message(role="user", content="q")
        return [event async for event in cascade.answer(Prompt(messages=(message,)))]

    with pytest.raises(ModelMissing):
        asyncio.run(ask())
    models.absent = ()
    assert any("train" in said for said in notices(asyncio.run(ask())))


def test_a_pinned_tier_whose_model_is_not_here_is_named_alone() -> None:
    with pytest.raises(ModelMissing, match=r"no model file at s$"):
        run(Scripted({}, absent=("s",)), tier="s")


def test_absent_tiers_are_passed_over_without_a_notice() -> None:
    models = Scripted({"s": [up()], "m": [answer("x")]}, absent=("xs",))
    events = run(models)
    assert outcome(events).tier == "M" and not outcome(events).is_below_asked
    assert notices(events) == []
    models = Scripted({"xs": [up()], "m": [answer("x")]}, absent=("s",))
    assert [visit.tier for visit in outcome(run(models)).path] == ["XS", "M"]


def test_a_tier_that_would_pass_on_to_an_absent_one_answers_with_a_notice() -> None:
    models = Scripted({"xs": [up()], "s": [up(), answer("x")]}, absent=("m",))
    events = run(models)
    found = outcome(events)
    assert found.answer == "x" and found.tier == "S" and found.is_below_asked
    (said,) = notices(events)
    assert said == f"S would pass this on, but M is not on this machine ({CHECK_FILE}); S answers"
    assert said in found.notices
    assert [order.gate.may_escalate for _, order in models.orders] == [True, True, False]


def test_an_absent_min_tier_is_replaced_by_a_lower_one_with_a_notice() -> None:
    models = Scripted({"xs": [answer("x")]}, absent=("s", "m"))
    events = run(models, min_tier="S")
    assert outcome(events).tier == "XS" and outcome(events).is_below_asked
    assert notices(events) == [f"answering with XS: S and M are not on this machine ({CHECK_FILE})"]
    assert "answered by XS, below the requested S" in outcome(events).notices


def test_when_the_top_tier_does_not_fit_the_tier_below_answers_with_a_notice() -> None:
    full: list[Step] = [DoesNotFit("m does not fit: it needs 9.0 GiB")]
    models = Scripted({"xs": [up()], "s": [up(), answer("x")], "m": [full]})
    events = run(models)
    found = outcome(events)
    assert found.answer == "x" and found.tier == "S" and found.is_below_asked
    assert notices(events) == ["M failed (m does not fit: it needs 9.0 GiB); going on with S"]
    assert found.notices == tuple(notices(events))
    reasons = [visit.reason for visit in found.path]
    assert reasons == ["escalate token", "escalate token", "does_not_fit", "stop"]
    assert not models.orders[-1][1].gate.may_escalate


def test_when_only_the_smallest_fits_it_answers() -> None:
    full: list[Step] = [DoesNotFit("no room")]
    models = Scripted({"xs": [answer("x")], "s": [full], "m": [full]})
    events = run(models, min_tier="M")
    assert outcome(events).tier == "XS" and outcome(events).is_below_asked
    assert [said.split(";")[1] for said in notices(events)] == [
        " going on with S",
        " going on with XS",
    ]


def test_when_nothing_fits_that_is_the_error() -> None:
    full: list[Step] = [DoesNotFit("no room", "buy some")]
    with pytest.raises(DoesNotFit, match="no room") as caught:
        run(Scripted({"xs": [full], "s": [full], "m": [full]}))
    assert caught.value.hint == "buy some" and caught.value.exit_code == 4
    with pytest.raises(DoesNotFit):
        run(Scripted({"s": [full]}), tier="S")


def test_the_pools_notice_of_a_load_is_given_once() -> None:
    models = Scripted({"xs": [up()], "s": [answer("x")]}, notices={"s": "loaded smaller"})
    events = run(models)
    assert notices(events) == ["loaded smaller"]
    assert outcome(events).notices == ("loaded smaller",)


def test_the_next_tier_is_loaded_ahead_while_the_first_one_reads() -> None:
    models = Scripted({"xs": [[0.01, *up()]], "m": [answer("x")]}, absent=("s",), unloaded=("m",))
    events = run(models)
    assert models.ahead == ["m"] and outcome(events).tier == "M"
    models = Scripted({"s": [[0.01, *answer("x")]]}, unloaded=("m",))
    run(models, tier="S")
    assert models.ahead == []


def test_the_outcome_says_how_its_tier_drew_and_who_says_so() -> None:
    models = Scripted({"xs": [up()], "s": [answer("4")]})
    catalogue = msgspec.structs.replace(
        CATALOGUE,
        models={**CATALOGUE.models, "s": ModelSpec(file="s", sampling=Sampling(top_k=9))},
    )
    cascade = Cascade(catalogue, models, "three")
    message = Message(role="user", content="q")
    prompt = Prompt(messages=(message,), sampling=Sampling(temperature=0.5))

    async def main() -> Outcome:
        [*_, done] = [event async for event in cascade.answer(prompt)]
        assert isinstance(done, Done)
        return done.outcome

    outcome = asyncio.run(main())
    assert {key: (found.value, found.source) for key, found in outcome.sampling.items()} == {
        "temperature": (0.5, "request"),
        "top_k": (9, "model s in models.toml"),
        "top_p": (0.95, "llama.cpp's default"),
        "min_p": (0.05, "llama.cpp's default"),
    }
    sent = models.orders[-1][1].sampling
    assert sent == Sampling(temperature=0.5, top_k=9, top_p=0.95, min_p=0.05)
