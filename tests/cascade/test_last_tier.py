"""Every reason to leave a tier, and who answers where there is somewhere to go and where not."""

from __future__ import annotations

import msgspec
import pytest

from tests.cascade.test_cascade import (
    CATALOGUE,
    UP,
    USAGE,
    Scripted,
    Step,
    answer,
    finished,
    notices,
    outcome,
    run,
    up,
)
from tierchat.config.catalogue import CascadeSpec, TierSpec
from tierchat.errors import EngineCrashed
from tierchat.events import AnswerDelta, Working
from tierchat.gates.order import GateOrder
from tierchat.types import GateKind, Verdict
from tierchat.workers.protocol import Delta, Escalated, Failed, Progress

LONG = Failed(id=0, code="context_length_exceeded", message="12 tokens, context 9", usage=USAGE)
CRASH: list[Step] = [EngineCrashed("died")]


def repeats(draft: str = "la la la") -> list[Step]:
    verdict = Verdict(escalate=True, reason="repeats itself")
    ended = Escalated(
        id=0, stage="first", verdict=verdict, usage=USAGE, draft=draft, cut="repetition"
    )
    return [ended]


def cut(text: str, reason: str) -> list[Step]:
    return [*([Delta(id=0, answer=text)] if text else []), finished(reason)]


def order_of(models: Scripted, index: int = -1) -> GateOrder:
    return models.orders[index][1].gate


def untaught(gate: GateKind, *names: str) -> object:
    tiers = tuple(TierSpec(name=name.upper(), model=name, gate=gate) for name in names)
    return msgspec.structs.replace(CATALOGUE, cascades={"three": CascadeSpec(tiers=tiers)})


@pytest.mark.parametrize("gate", ["untaught", "token", "row", "none"])
@pytest.mark.parametrize("options", [{"tier": "S"}, {"no_escalate": True, "min_tier": "S"}, {}])
def test_a_tier_with_nobody_above_answers_and_holds_nothing_back(
    gate: GateKind, options: dict[str, object]
) -> None:
    names = ("s",) if not options else ("xs", "s", "m")
    models = Scripted({"s": [answer("x")]})
    run(models, untaught(gate, *names), hold="answer", **options)  # type: ignore[arg-type]
    order = order_of(models)
    assert (order.targets, order.hold, order.hold_back) == ((), "first", 0)
    # Only the escalate token of the model's own makers may decline.
    assert order.kind == ("none" if gate == "none" else "token")
    assert order.may_escalate == (not options)


def test_the_top_tier_holds_nothing_back_but_the_tiers_below_do() -> None:
    models = Scripted({"xs": [up()], "s": [answer("x")]})
    run(models, untaught("none", "xs", "s"))  # type: ignore[arg-type]
    assert [order.gate.hold_back for _, order in models.orders] == [8, 0]
    assert [order.gate.targets for _, order in models.orders] == [("S",), ()]


def test_a_tier_below_absent_ones_answers() -> None:
    models = Scripted({"xs": [answer("x")]}, absent=("s",))
    run(models, untaught("untaught", "xs", "s"))  # type: ignore[arg-type]
    assert order_of(models).kind == "token" and order_of(models).hold_back == 0


@pytest.mark.parametrize("reason", ["repetition", "garbage"])
def test_what_the_last_tier_wrote_is_shown_with_the_reason(reason: str) -> None:
    found = outcome(run(Scripted({"m": [cut("la la", reason)]}), tier="M"))
    assert (found.answer, found.finish_reason, found.tier) == ("la la", "length", "M")
    assert found.notices[0].startswith("M was stopped: it ")
    assert found.path[-1].discarded_tokens == 0


def test_an_empty_last_tier_says_so() -> None:
    found = outcome(run(Scripted({"xs": [up()], "s": [up()], "m": [answer("")]})))
    assert (found.finish_reason, found.notices) == ("stop", ("M gave an empty answer",))


def test_garbage_without_a_word_is_a_failure_tried_once_more_and_then_left() -> None:
    models = Scripted({"m": [cut("", "garbage"), cut("", "garbage")], "s": [answer("x")]})
    found = outcome(run(models, min_tier="M"))
    assert found.tier == "S" and found.is_below_asked
    with pytest.raises(EngineCrashed, match="not finite"):
        run(Scripted({"m": [cut("", "garbage"), cut("", "garbage")]}), tier="M")


def test_repetition_goes_up_and_its_tokens_are_thrown_away() -> None:
    found = outcome(run(Scripted({"xs": [repeats()], "s": [answer("x")]})))
    assert (found.answer, found.tier) == ("x", "S")
    assert found.path[0].discarded_tokens == USAGE.generated_tokens


def test_a_draft_that_repeats_itself_is_not_handed_on() -> None:
    models = Scripted({"xs": [repeats()], "s": [answer("x")]})
    run(models, draft=True)
    assert models.orders[-1][1].messages[-1].content == "q"


@pytest.mark.parametrize(
    "rest",
    [
        {"s": [CRASH], "m": [CRASH, CRASH]},
        {"s": [[LONG]], "m": [[LONG]]},
        {"s": [up()], "m": [answer("")]},
        {"s": [CRASH], "m": [cut("", "garbage"), cut("", "garbage")]},
        {"s": [repeats("")], "m": [[Failed(id=0, code="does_not_fit", message="full")]]},
    ],
)
def test_where_all_others_fail_the_repeated_answer_is_what_there_is(
    rest: dict[str, list[list[Step]]],
) -> None:
    models = Scripted({"xs": [repeats()], **rest})
    if "does_not_fit" in str(rest):
        # S, tried without leave to go up, repeats itself in the open.
        rest["s"].append(cut("lo lo", "repetition"))
    events = run(models)
    found = outcome(events)
    assert found.finish_reason == "length"
    assert found.answer in ("la la la", "lo lo")
    assert "".join(e.text for e in events if isinstance(e, AnswerDelta)) == found.answer
    assert any("repeated itself" in notice for notice in found.notices)
    shown = next(visit for visit in found.path if visit.tier == found.tier)
    if found.answer == "la la la":
        assert found.tier == "XS" and shown.discarded_tokens == 0
        assert found.generated_tokens == USAGE.generated_tokens


def test_a_repeated_answer_is_not_computed_again_when_the_tier_above_does_not_fit() -> None:
    full = Failed(id=0, code="does_not_fit", message="no room")
    models = Scripted({"xs": [up()], "s": [repeats()], "m": [[full]]})
    events = run(models)
    assert outcome(events).answer == "la la la" and outcome(events).tier == "S"
    assert notices(events) == [
        "S was stopped: it repeated itself; going on with M",
        "M failed (no room)",
    ]


def test_who_declines_at_the_top_has_the_last_word_over_a_repeated_answer() -> None:
    found = outcome(run(Scripted({"xs": [repeats()], "s": [up()], "m": [up()]})))
    assert found.finish_reason == "unanswered" and found.answer == ""


def test_a_prompt_too_long_for_the_tier_above_is_answered_by_the_one_that_could_read_it() -> None:
    models = Scripted({"xs": [up()], "s": [up(), answer("x")], "m": [[LONG]]})
    events = run(models)
    found = outcome(events)
    assert (found.answer, found.tier, found.is_below_asked) == ("x", "S", True)
    assert notices(events) == ["M: 12 tokens, context 9; S answers"]
    assert order_of(models).targets == () and not order_of(models).may_escalate


def test_signs_of_life_come_to_those_who_ask_for_them() -> None:
    sign = Progress(id=0, computed=9, total=9, generated=4, seconds=0.5)
    steps: list[Step] = [sign, *answer("x")]
    events = run(Scripted({"xs": [steps]}), progress=True)
    assert Working(tier="XS", computed=9, total=9, generated=4, seconds=0.5) in events
    assert not any(isinstance(event, Working) for event in run(Scripted({"xs": [steps]})))


def test_a_gate_that_sends_up_may_go_only_to_tiers_that_are_here() -> None:
    models = Scripted({"xs": [up(verdict=UP)], "m": [answer("x")]}, absent=("s",))
    run(models)
    assert models.orders[0][1].gate.targets == ("M",)


@pytest.mark.parametrize("broken", [CRASH, cut("", "garbage")])
def test_a_tier_that_declined_answers_after_all_where_the_top_one_fails(
    broken: list[Step],
) -> None:
    models = Scripted({"xs": [up()], "s": [up(), answer("perhaps 4")], "m": [broken, broken]})
    events = run(models)
    assert outcome(events).answer == "perhaps 4" and outcome(events).tier == "S"
    assert outcome(events).is_below_asked
    assert "going on with S" in notices(events)[-1]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("garbage", "XS was stopped: it produced numbers that are not finite; going on with S"),
        ("repetition", "XS was stopped: it repeated itself; going on with S"),
    ],
)
def test_what_stops_a_lower_tier_is_said(reason: str, said: str) -> None:
    verdict = Verdict(escalate=True, reason="stopped")
    stopped: list[Step] = [
        Escalated(id=0, stage="first", verdict=verdict, usage=USAGE, draft="", cut=reason)
    ]
    events = run(Scripted({"xs": [stopped], "s": [answer("x")]}))
    assert notices(events) == [said]
