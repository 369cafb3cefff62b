"""Whether a prompt leans on the turns before it, on labelled conversations in two languages."""

from __future__ import annotations

import time

import pytest

from tests.cascade.follow_up_cases import CAPITAL, MERGE, SEEN, UNSEEN
from tierchat.cascade.follow_up import leans
from tierchat.types import Message


def talk(*said: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(said))


@pytest.mark.parametrize("cases", [SEEN, UNSEEN], ids=["seen", "unseen"])
def test_follow_ups_are_kept_and_most_new_topics_are_seen(
    cases: tuple[tuple[tuple[str, str], str, bool], ...],
) -> None:
    found = [(prompt, wanted, leans(talk(*said, prompt))) for said, prompt, wanted in cases]
    lost = [prompt for prompt, wanted, got in found if wanted and not got]
    topics = [got for _, wanted, got in found if not wanted]
    assert len(found) >= 50 and lost == []
    assert topics.count(False) / len(topics) >= 0.8


def test_the_first_prompt_leans_on_nothing_and_a_begun_answer_always_does() -> None:
    assert not leans(talk("Now in Go."))
    assert not leans((Message(role="system", content="Be brief."), *talk("shorter")))
    assert leans(talk(*CAPITAL, "Who wrote Hamlet in 1600?", "Shake"))


@pytest.mark.parametrize("text", ["", "?", "…", "👍", "\n", "1", "def", "+"])
def test_a_text_that_says_nothing_is_about_what_was_said(text: str) -> None:
    assert leans(talk(*MERGE, text))


def test_a_topic_of_an_earlier_turn_is_still_the_topic() -> None:
    said = (*MERGE, *CAPITAL)
    assert leans(talk(*said, "Which built-in function of Python merges sorted lists?"))


def test_a_pasted_question_of_its_own_is_a_new_topic_even_if_it_says_this() -> None:
    pasted = "What is wrong with this command?\ntar -xzvf archive.zip /home/user/backup"
    assert not leans(talk(*CAPITAL, pasted))
    assert leans(talk(*CAPITAL, "What is wrong with this?"))


@pytest.mark.parametrize("text", ["“", "'a", "ok ", "1+", "(1", "Я ", " \n", "a: ", "Ab "])
def test_a_pasted_megabyte_is_judged_at_once(text: str) -> None:
    paste = text * 300_000
    began_s = time.monotonic()
    leans(talk(paste, paste, paste))
    assert time.monotonic() - began_s < 1
