"""Without a lesson a prompt begins at the tier that its kind and the models' sizes ask for."""

from __future__ import annotations

import pytest

from tests.gates.test_files import head as gate_head
from tierchat.cascade.beginning import Beginning
from tierchat.cascade.unread import begin_taught, begin_untaught
from tierchat.gates.files import GateHead
from tierchat.gates.letters import NUM_BUCKETS
from tierchat.gates.order import Earlier
from tierchat.gates.unread import UnreadRows, UnreadTier
from tierchat.types import Message, TierOptions

TIERS = ("XS", "S", "M")
SIZES = (134_515_008.0, 630_167_424.0, 1_777_088_000.0)
HARD = [
    Message(
        role="user",
        content="Complete this Python function.\n\n```python\ndef primes_below(n: int) -> list:\n"
        '    """Return the prime numbers below n in rising order."""\n```',
    )
]


def begin(quality: str | float | None, floor: str | None = None) -> Beginning:
    before = Beginning(floor, "it answered before") if floor else Beginning()
    return begin_untaught(before, TIERS, SIZES, HARD, TierOptions(quality=quality))  # type: ignore[arg-type]


def test_a_hard_kind_of_prompt_begins_higher_and_says_why() -> None:
    found = begin("best")
    assert found.floor == "M" and "without a lesson" in found.why and "%" in found.why


def test_what_the_conversation_asks_for_stays_the_least() -> None:
    found = begin("frugal", "M")
    assert (found.floor, found.why) == ("M", "it answered before")


@pytest.mark.parametrize("quality", [None, 0.9])
def test_a_number_is_a_promise_that_the_prior_does_not_give(quality: float | None) -> None:
    assert begin(quality) == begin("balanced")


def after(prompt: str, answered_by: str = "") -> Beginning:
    before = Beginning(earlier=Earlier(num_turns=1, answered_by=answered_by))
    answer = Message(role="assistant", content="def primes_below(n): ...")
    messages = [*HARD, answer, Message(role="user", content=prompt)]
    return begin_untaught(before, TIERS, SIZES, messages, TierOptions(quality="balanced"))


def test_a_follow_up_on_an_unknown_tier_is_as_hard_as_what_it_leans_on() -> None:
    assert after("shorter").floor == begin("balanced").floor == "M"
    # Who answered is known: that is where the conversation begins, and the prompt itself is easy.
    easy = "Is it plausible? Answer yes or no."
    assert after(easy).floor == "M" and after(easy, "XS").floor != "M"
    alone = [Message(role="user", content=easy)]
    assert begin_untaught(Beginning(), TIERS, SIZES, alone, TierOptions()).floor != "M"


def test_the_beginning_of_an_answer_is_not_what_is_asked() -> None:
    messages = [*HARD, Message(role="assistant", content="shorter")]
    assert begin_untaught(Beginning(), TIERS, SIZES, messages, TierOptions()).floor == "M"


def test_equal_sizes_begin_at_the_bottom() -> None:
    found = begin_untaught(Beginning(), TIERS, (1e9, 1e9, 1e9), HARD, TierOptions())
    assert found.floor is None and not found.why


@pytest.mark.parametrize("options", [TierOptions(no_escalate=True), TierOptions(raw=True)])
def test_a_prompt_that_may_not_escalate_stays_with_the_first_tier(options: TierOptions) -> None:
    assert begin_untaught(Beginning(), TIERS, SIZES, HARD, options) == Beginning()


def head_that_begins_at(tier: int) -> GateHead:
    """A gate whose letters say the same of every prompt: only tiers from one on are right."""
    nothing = bytes(2 * NUM_BUCKETS)
    letters = tuple(
        UnreadTier(
            right=nothing,
            right_bias=3.0 if index >= tier else -3.0,
            lengths=nothing,
            length_bias=20.0,
            longest=99.0,
        )
        for index in range(3)
    )
    unread = UnreadRows(letters, template_tokens=10.0, tokens_per_byte=0.3)
    return gate_head(unread=unread)


@pytest.mark.parametrize(("tier", "floor"), [(0, None), (1, "S"), (2, "M")])
def test_a_lesson_on_letters_chooses_the_beginning_and_says_why(
    tier: int, floor: str | None
) -> None:
    found = begin_taught(Beginning(), head_that_begins_at(tier), HARD, TierOptions())
    assert found.floor == floor
    if floor:
        assert found.why == f"its lesson (XS right in 5% of such prompts, {floor} in 95%)"


def test_a_lesson_obeys_the_conversation_and_the_request() -> None:
    head = head_that_begins_at(1)
    before = Beginning("M", "it answered before")
    found = begin_taught(before, head, HARD, TierOptions())
    assert (found.floor, found.why) == ("M", "it answered before")
    assert found.expected.keys() == {"XS", "S", "M"}
    assert begin_taught(Beginning(), head, HARD, TierOptions(no_escalate=True)) == Beginning()
    assert begin_taught(Beginning(), gate_head(), HARD, TierOptions()) == Beginning()
