"""Follow-ups begin where the conversation was answered: any client, edited histories, floors."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.cascade.test_cascade import CATALOGUE, Scripted, answer, up
from tierchat.cascade.beginning import MIN_FOLLOW_UPS, begin, turn_before
from tierchat.cascade.cascade import Cascade
from tierchat.cascade.turns_before import TurnBefore, TurnsBefore
from tierchat.config.catalogue import CascadeSpec
from tierchat.errors import ContextTooLong, EngineCrashed, UsageError
from tierchat.events import Done
from tierchat.gates.files import GateHead, GateReport, Tradeoff
from tierchat.gates.lookup import FoundGate, GateLookup
from tierchat.models.verified_files import VerifiedFiles
from tierchat.outcomes import Outcome
from tierchat.types import Message, Prompt, TierOptions
from tierchat.workers.protocol import Delta, Failed

MERGE = "Write a Python function that merges two sorted lists."
CODE = "def merge(a, b): return sorted(a + b)  # simple, and quick enough"
TIERS = ("XS", "S", "M")


def talk(*said: str, system: str = "") -> tuple[Message, ...]:
    roles = ("user", "assistant")
    first = (Message(role="system", content=system),) if system else ()
    turns = (Message(role=roles[i % 2], content=text) for i, text in enumerate(said))
    return (*first, *turns)


class Talk:
    """One cascade whose lower tiers pass everything on; the tiers above answer what is scripted."""

    def __init__(self, gates: GateLookup | None = None, absent: tuple[str, ...] = ()) -> None:
        self.models = Scripted({"xs": [], "s": [], "m": []}, absent=absent)
        self.cascade = Cascade(CATALOGUE, self.models, "three", gates)

    def ask(
        self, *said: str, by: str, text: str = CODE, system: str = "", **options: object
    ) -> Outcome:
        """Ask; the tier `by` answers and all others would pass the prompt on."""
        for name in ("xs", "s", "m"):
            self.models.scripts[name] = [answer(text) if name == by.casefold() else up()]
        self.models.orders.clear()
        prompt = Prompt(
            messages=talk(*said, system=system),
            options=TierOptions(**options),  # type: ignore[arg-type]
        )

        async def main() -> Outcome:
            events = [event async for event in self.cascade.answer(prompt)]
            assert isinstance(events[-1], Done)
            return events[-1].outcome

        return asyncio.run(main())

    @property
    def asked(self) -> list[str]:
        return [model for model, _ in self.models.orders]


def test_a_follow_up_begins_at_the_tier_that_answered_before() -> None:
    chat = Talk()
    assert chat.ask(MERGE, by="M").began == ""
    outcome = chat.ask(MERGE, CODE, "Now in Go.", by="M", text="func merge() {}")
    assert chat.asked == ["m"]
    assert outcome.tier == "M" and outcome.began == "began at M: it answered before"
    again = chat.ask(MERGE, CODE, "Now in Go.", "func merge() {}", "shorter", by="M")
    assert chat.asked == ["m"] and again.began == "began at M: it answered before"
    earlier = chat.models.orders[0][1].gate.earlier
    assert (earlier.num_turns, earlier.answered_by, earlier.num_read) == (
        2,
        "M",
        {
            **{"XS": 10, "S": 10},
            "M": 12,
        },
    )


def test_a_follow_up_may_still_go_up() -> None:
    chat = Talk()
    chat.ask(MERGE, by="S")
    assert chat.ask(MERGE, CODE, "Are you sure?", by="M").tier == "M"
    assert chat.asked == ["s", "m"]


def test_a_new_topic_begins_at_the_bottom_and_says_so() -> None:
    chat = Talk()
    chat.ask(MERGE, by="M")
    outcome = chat.ask(MERGE, CODE, "What is the capital of France?", by="XS", text="Paris")
    assert chat.asked == ["xs"] and outcome.began == "began at XS: a new topic"
    chat.ask(MERGE, CODE, "What is the capital of France?", "Paris", "And Spain?", by="XS")
    assert chat.asked == ["xs"]


def test_another_conversation_is_not_concerned() -> None:
    chat = Talk()
    chat.ask(MERGE, by="M")
    assert chat.ask("Now in Go.", by="XS").began == ""
    assert chat.ask("Say hello.", "hello", "shorter", by="XS").began == ""


@pytest.mark.parametrize(
    ("said", "system"),
    [
        ((MERGE, f"\n{CODE}  ", "shorter"), ""),
        ((MERGE, CODE.replace(" ", "\n "), "shorter"), ""),
        ((MERGE, CODE, "shorter"), "Be brief."),
        (("Hello", "Hi", MERGE, CODE, "shorter"), ""),
        (("The beginning was summed up", CODE, "shorter"), ""),
    ],
    ids=["blanks", "wrapped", "another system text", "another beginning", "another question"],
)
def test_a_history_that_a_client_has_changed_is_recognised(
    said: tuple[str, ...], system: str
) -> None:
    chat = Talk()
    chat.ask(MERGE, by="M")
    chat.ask(*said, by="M", system=system)
    assert chat.asked == ["m"]


def test_short_answers_alone_recognise_nothing() -> None:
    chat = Talk()
    chat.ask("Is 7 a prime number?", by="M", text="Yes")
    assert chat.ask("Is it raining?", "Yes", "sure?", by="XS").began == ""


@pytest.mark.parametrize(
    ("options", "first"),
    [({"tier": "XS"}, "xs"), ({"max_tier": "S"}, "s"), ({"min_tier": "M"}, "m")],
)
def test_the_limits_of_a_prompt_win(options: dict[str, str], first: str) -> None:
    chat = Talk()
    chat.ask(MERGE, by="M")
    assert chat.ask(MERGE, CODE, "shorter", by=first, **options).began == ""
    assert chat.asked == [first]


def test_a_client_may_say_who_answered_and_what_the_floor_is() -> None:
    outcome = Talk().ask(MERGE, CODE, "shorter", by="S", answered_by="s")
    assert outcome.began == "began at S: it answered before"
    chat = Talk()
    outcome = chat.ask(MERGE, CODE, "shorter", by="S", text="f", answered_by="XS", floor="S")
    assert outcome.began == "began at S: the answer of XS was not good enough"
    # Only the first of these requests names the floor.
    outcome = chat.ask(MERGE, CODE, "shorter", "f", "shorter", by="S")
    assert outcome.floor == "S" and chat.asked == ["s"]
    outcome = chat.ask(MERGE, CODE, "Who wrote War and Peace?", by="XS", answered_by="S", floor="S")
    assert outcome.floor is None and chat.asked == ["xs"]


def test_a_tier_that_answered_and_is_gone_is_passed_over_and_a_wrong_floor_is_named() -> None:
    assert Talk().ask(MERGE, CODE, "shorter", by="XS", answered_by="L").began == ""
    with pytest.raises(UsageError, match="floor: no tier named 'huge'"):
        Talk().ask(MERGE, by="XS", floor="huge")


def test_after_up_the_tier_that_answered_is_the_floor_of_the_topic() -> None:
    outcome = Talk().ask(MERGE, by="M", min_tier="S", up=True)
    assert outcome.floor == "M" and outcome.began == ""


def test_a_floor_holds_where_there_is_no_answer_yet() -> None:
    chat = Talk()
    assert chat.ask(MERGE, by="S", floor="S").began == "began at S: a better answer was asked for"
    assert chat.asked == ["s"]


def test_where_the_tier_of_before_is_not_here_the_best_one_below_begins() -> None:
    chat = Talk(absent=("m",))
    outcome = chat.ask(MERGE, CODE, "shorter", by="S", answered_by="M")
    assert chat.asked == ["s"] and outcome.began == "" and not outcome.is_below_asked


def test_what_is_too_long_from_the_floor_on_is_read_below_it() -> None:
    too_long = Failed(id=0, code=ContextTooLong.code, message="9 tokens")
    models = Scripted({"xs": [answer("ok")], "s": [[too_long]], "m": [[too_long]]})
    cascade = Cascade(CATALOGUE, models, "three")
    prompt = Prompt(messages=talk(MERGE, CODE, "go on"), options=TierOptions(answered_by="S"))

    async def main() -> object:
        return [event async for event in cascade.answer(prompt)][-1]

    done = asyncio.run(main())
    assert isinstance(done, Done) and done.outcome.tier == "XS"
    assert not done.outcome.is_below_asked


def test_an_answer_that_was_stopped_counts_with_what_was_shown_of_it() -> None:
    chat = Talk()
    chat.models.scripts = {"xs": [up()], "s": [[Delta(id=0, answer="def mer"), 60.0]], "m": []}

    async def stopped() -> None:
        async with aclosing(chat.cascade.answer(Prompt(messages=talk(MERGE)))) as events:
            async for event in events:
                if getattr(event, "text", ""):
                    return

    asyncio.run(stopped())
    outcome = chat.ask(MERGE, "def mer", "go on", by="S")
    assert outcome.began == "began at S: it answered before"
    # The client may also ask for the rest of it.
    chat.ask(MERGE, "def mer", by="S", text="ge(a, b)")
    assert chat.asked == ["s"]
    chat.ask(MERGE, "def merge(a, b)", "shorter", by="S")
    assert chat.asked == ["s"]


def test_a_crash_of_the_tier_of_before_goes_on_elsewhere() -> None:
    models = Scripted({"xs": [], "s": [answer("ok")], "m": [[EngineCrashed("gone")]] * 2})
    cascade = Cascade(CATALOGUE, models, "three")
    prompt = Prompt(messages=talk(MERGE, CODE, "go on"), options=TierOptions(answered_by="M"))

    async def main() -> object:
        return [event async for event in cascade.answer(prompt)][-1]

    done = asyncio.run(main())
    assert isinstance(done, Done) and done.outcome.tier == "S"


class Taught(GateLookup):
    """A gate whose lesson held so many follow-ups."""

    def __init__(self, folder: Path, num_follow_ups: int) -> None:
        super().__init__(folder, VerifiedFiles(folder / "verified"))
        report = GateReport(
            date="", data_sha256="", num_prompts=1, num_groups=1, num_rounds=1, seconds=1.0,
            nhg=(0.0, 0.0, 0.0), auroc={}, ece={}, curve=(),
        )  # fmt: skip
        self._head = GateHead(
            schema=2, cascade="three", tiers=(), has_token=False, hold_back=8, unit=1.0,
            tradeoffs=(Tradeoff(cost_weight=0.1, quality=1.0, cost=0.5),), report=report,
            num_follow_ups=num_follow_ups,
        )  # fmt: skip

    def file(self, cascade: str) -> Path:
        return Path("gate.json")

    def find(self, cascade: str, spec: CascadeSpec, models: object) -> tuple[FoundGate | None, str]:
        return FoundGate(Path("gate.json"), self._head), ""


@pytest.mark.parametrize(("num", "first"), [(0, "m"), (MIN_FOLLOW_UPS, "xs")])
def test_a_gate_that_knows_follow_ups_decides_and_another_keeps_the_floor(
    tmp_path: Path, num: int, first: str
) -> None:
    chat = Talk(Taught(tmp_path, num))
    chat.ask(MERGE, by="M")
    chat.ask(MERGE, CODE, "Now in Go.", by="M")
    assert chat.asked[0] == first
    # What a person asked for holds with any gate.
    chat.ask(MERGE, CODE, "Now in Go.", by="M", answered_by="M", floor="S")
    assert chat.asked[0] == ("s" if num else "m")


def test_only_so_many_turns_are_remembered() -> None:
    turns = TurnsBefore(max_keys=4)
    for number in range(5):
        turns.add("three", talk("q", f"answer {number}"), TurnBefore("M"))
    assert turns.find("three", talk("q", "answer 0", "more")) is None
    assert turns.find("three", talk("q", "answer 4", "more")) == TurnBefore("M")
    assert turns.find("other", talk("q", "answer 4", "more")) is None


def test_the_higher_of_two_floors_counts() -> None:
    known = TurnBefore("S", "S", {"S right": 0.4}, {"S": 9})
    options = TierOptions(answered_by="S", floor="M")
    assert turn_before(options, known, TIERS) == replace(known, floor="M")
    assert turn_before(TierOptions(floor="XS"), known, TIERS) == known
    assert turn_before(TierOptions(answered_by="M"), known, TIERS) == TurnBefore("M", "S")


def test_gates_are_told_who_answered_at_which_estimates() -> None:
    before = TurnBefore("S", None, {"S right": 0.4}, {"S": 9})
    found = begin(TIERS, before, num_turns=3, leans=False, knows_follow_ups=False)
    assert msgspec.to_builtins(found.earlier) == {
        "num_turns": 3,
        "answered_by": "S",
        "estimates": {"S right": 0.4},
        "num_read": {"S": 9},
        "stage": "none",
    }
