"""`--max-wait`: tiers that are expected to take longer are not chosen, and that is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.cascade.test_cascade import CATALOGUE, Scripted, answer, up
from tierchat.cascade.cascade import Cascade
from tierchat.cascade.route import Route
from tierchat.events import CascadeEvent, Done, Starting
from tierchat.gates.order import GateOrder, TierWait
from tierchat.gates.wait_limit import WaitLimit
from tierchat.outcomes import Outcome, Usage
from tierchat.types import Message, Prompt, TierOptions
from tierchat.workers.speeds import Speeds

# With the usual 128 tokens: XS 0.13 s, S 1.3 s, M 13 s.
SPEEDS = {"xs": 0.001, "s": 0.01, "m": 0.1}


def events_of(
    models: Scripted, said: tuple[str, ...] = ("2+2",), **options: object
) -> list[CascadeEvent]:
    async def ask() -> list[CascadeEvent]:
        cascade = Cascade(CATALOGUE, models, "three")
        prompt = Prompt(
            messages=tuple(
                Message(role="assistant" if index % 2 else "user", content=text)
                for index, text in enumerate(said)
            ),
            options=TierOptions(**options),  # type: ignore[arg-type]
        )
        return [event async for event in cascade.answer(prompt)]

    return asyncio.run(ask())


def outcome_of(models: Scripted, **options: object) -> Outcome:
    done = events_of(models, **options)[-1]
    assert isinstance(done, Done)
    return done.outcome


def test_without_the_dial_every_tier_may_be_asked() -> None:
    models = Scripted({"xs": [up()], "s": [up()], "m": [answer("4")]}, token_s=SPEEDS)
    outcome = outcome_of(models)
    assert outcome.tier == "M" and not outcome.notices
    waits = [visit.expected_wait_s for visit in outcome.path]
    assert waits == sorted(waits) and 10 < (waits[-1] or 0) < 20


def test_a_gate_may_not_choose_a_tier_that_takes_too_long() -> None:
    models = Scripted({"xs": [up()], "s": [answer("4")]}, token_s=SPEEDS)
    outcome = outcome_of(models, max_wait_s=5)
    assert [order.gate.targets for _, order in models.orders] == [("S",), ()]
    assert outcome.tier == "S" and not models.orders[-1][1].gate.may_escalate
    [notice] = outcome.notices
    assert "M (about 13 s)" in notice and "the wait of 5 s" in notice


def test_a_slow_tier_between_fast_ones_is_passed_over() -> None:
    speeds = {"xs": 0.001, "s": 0.1, "m": 0.01}
    models = Scripted({"xs": [up()], "m": [answer("4")]}, token_s=speeds)
    outcome = outcome_of(models, max_wait_s=5)
    assert outcome.tier == "M" and not outcome.notices


def test_the_first_tier_that_is_fast_enough_begins() -> None:
    models = Scripted({"s": [answer("4")]}, token_s={"xs": 0.2, "s": 0.01, "m": 0.1})
    assert outcome_of(models, max_wait_s=5).tier == "S"


def test_the_lowest_tier_answers_where_none_is_fast_enough_and_says_so() -> None:
    models = Scripted({"xs": [answer("4")]}, token_s=SPEEDS)
    outcome = outcome_of(models, max_wait_s=0.05)
    [notice] = outcome.notices
    assert outcome.tier == "XS" and "0.13 s" in notice and "0.05 s" in notice


@pytest.mark.parametrize("limits", [{"tier": "M"}, {"min_tier": "m"}])
def test_tiers_that_were_asked_for_win_over_the_dial(limits: dict[str, str]) -> None:
    models = Scripted({"m": [answer("4")]}, token_s=SPEEDS)
    outcome = outcome_of(models, max_wait_s=5, **limits)
    assert outcome.tier == "M" and "about 13 s, longer than 5 s" in outcome.notices[0]


def test_a_slow_tier_still_answers_where_the_others_fail() -> None:
    from tierchat.errors import EngineCrashed

    models = Scripted({"xs": [[EngineCrashed("x")]], "m": [answer("4")]}, token_s=SPEEDS)
    models.scripts["s"] = [[EngineCrashed("x")], [EngineCrashed("x")]]
    assert outcome_of(models, max_wait_s=5).tier == "M"


def test_a_tier_says_what_it_will_take_to_those_who_ask_for_signs_of_life() -> None:
    models = Scripted({"xs": [up()], "s": [answer("4")]}, token_s=SPEEDS)
    found = [e for e in events_of(models, progress=True) if isinstance(e, Starting)]
    assert [event.tier for event in found] == ["XS", "S"] and found[1].expected_s > 1
    models = Scripted({"xs": [answer("4")]}, token_s=SPEEDS)
    assert not [e for e in events_of(models) if isinstance(e, Starting)]


def test_a_route_without_slow_tiers_is_as_before() -> None:
    route = Route(["XS", "S", "M"], TierOptions())
    route.pass_over(())
    assert route.targets == ("S", "M") and route.may_escalate
    assert route.after_verdict(None) == "S"


def test_a_gate_weighs_time_by_the_length_that_it_expects() -> None:
    waits = {"M": TierWait(load_s=1, prompt_token_s=0.01, token_s=0.1)}
    import time

    limit = WaitLimit(5, waits, time.monotonic())
    names = ("XS", "S", "M")
    short, long = {"XS": 9.0, "S": 9.0, "M": 9.0}, {"XS": 9.0, "S": 9.0, "M": 90.0}
    assert limit.too_slow(names, 100, short) == [False, False, False]
    assert limit.too_slow(names, 100, long) == [False, False, True]
    assert limit.too_slow(names, 400, short) == [False, False, True]
    assert GateOrder().max_wait_s is None


def test_an_answer_is_no_longer_than_its_bound() -> None:
    wait = TierWait(load_s=0, prompt_token_s=0, token_s=1, max_tokens=5)
    assert wait.seconds(10, 100) == 6 and wait.seconds(10, 2) == 3


def test_a_conversation_is_read_on_where_it_ended() -> None:
    wait = TierWait(load_s=0, prompt_token_s=0.1, token_s=0.1, num_cached=900)
    assert wait.seconds(1_000, 10) == pytest.approx(11)
    assert msgspec.structs.replace(wait, num_cached=0).seconds(1_000, 10) == pytest.approx(101)


def follow_up(models: Scripted, **options: object) -> Outcome:
    done = events_of(models, ("2+2", "4", "And in words?"), **options)[-1]
    assert isinstance(done, Done)
    return done.outcome


def test_the_dial_wins_over_the_tier_that_answered_before() -> None:
    models = Scripted({"s": [answer("four")]}, token_s=SPEEDS)
    outcome = follow_up(models, answered_by="M", max_wait_s=5)
    [notice] = outcome.notices
    assert outcome.tier == "S" and "began at S: M is expected" in notice and "13 s" in notice
    models = Scripted({"m": [answer("four")]}, token_s=SPEEDS)
    assert follow_up(models, answered_by="M", max_wait_s=60).tier == "M"


def test_a_tier_that_a_person_asked_for_wins_over_the_dial() -> None:
    models = Scripted({"m": [answer("four")]}, token_s=SPEEDS)
    outcome = follow_up(models, answered_by="M", floor="M", max_wait_s=5)
    assert outcome.tier == "M" and "M answers, although" in outcome.notices[0]


def usage(read: int, written: int, read_s: float, token_s: float) -> Usage:
    return Usage(
        prompt_tokens=read,
        generated_tokens=written,
        seconds=read_s + (written - 1) * token_s,
        reading_seconds=read_s,
    )


def test_speeds_are_running_medians() -> None:
    speeds = Speeds()
    for token_s in (0.1, 0.1, 9.0, 0.12):
        speeds.record("m", usage(100, 11, 1.0, token_s), is_answer=True)
    found = speeds.speed("m", 1e9, is_loaded=True)
    assert found.token_s == pytest.approx(0.11) and found.prompt_token_s == pytest.approx(0.01)
    assert found.answer_tokens == 11 and found.load_s == 0 and found.is_measured
    for _ in range(20):
        speeds.record("m", usage(100, 11, 1.0, 0.5), is_answer=True)
    assert speeds.speed("m", 1e9, is_loaded=True).token_s == pytest.approx(0.5)


def test_a_hop_and_a_short_prompt_say_nothing_of_what_they_did_not_do() -> None:
    speeds = Speeds()
    speeds.record("m", usage(4, 0, 0.2, 0), is_answer=False)
    found = speeds.speed("m", 1e9, is_loaded=True)
    assert not found.is_measured and found.answer_tokens is None
    cached = Usage(prompt_tokens=500, cached_tokens=499, seconds=0.1, reading_seconds=0.1)
    speeds.record("m", cached, is_answer=False)
    assert not speeds.speed("m", 1e9, is_loaded=True).is_measured


def test_a_model_that_never_ran_is_guessed_by_its_size_and_by_what_others_took() -> None:
    speeds = Speeds()
    before = speeds.speed("m", 2e9, is_loaded=False)
    speeds.record_load("s", 1e9, 4.0)
    speeds.record("s", usage(100, 11, 1.0, 0.2), is_answer=True)
    after = speeds.speed("m", 2e9, is_loaded=False)
    assert after.token_s == pytest.approx(0.4) and after.prompt_token_s == pytest.approx(0.02)
    assert before.load_s > 1 and after.load_s > before.load_s
    assert after.answer_tokens is None


def test_a_model_that_thinks_writes_answers_of_its_own_length() -> None:
    speeds = Speeds()
    speeds.record("m", usage(100, 500, 1.0, 0.1), is_answer=True, think=True)
    assert speeds.speed("m", 1e9, is_loaded=True, think=True).answer_tokens == 500
    assert speeds.speed("m", 1e9, is_loaded=True, think=False).answer_tokens is None


def test_speeds_outlive_the_daemon_but_not_the_file_of_the_model(tmp_path: Path) -> None:
    file = tmp_path / "speeds.json"
    before = Speeds(file)
    before.record_load("m", 1e9, 3.0)
    before.record("m", usage(100, 11, 1.0, 0.1), is_answer=True, think=False)
    before.save()
    again = Speeds(file)
    expected = before.speed("m", 1e9, is_loaded=False, think=False)
    assert again.speed("m", 1e9, is_loaded=False, think=False) == expected
    assert expected.load_s == 3 and expected.answer_tokens == 11
    again.record_load("m", 2e9, 1.0)
    assert not again.speed("m", 2e9, is_loaded=True).is_measured


@pytest.mark.parametrize("text", ["", "{", "[]", '{"m": 5}'])
def test_a_damaged_file_of_speeds_is_no_speeds(tmp_path: Path, text: str) -> None:
    file = tmp_path / "speeds.json"
    file.write_text(text)
    assert not Speeds(file).speed("m", 1e9, is_loaded=True).is_measured
