"""Conversations of a lesson: next turns stand on the answers of tiers drawn at random."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.learning.test_collect import WORK, Scripted
from tierchat.errors import UsageError
from tierchat.gates.order import Earlier
from tierchat.learning.outcomes.collect import run_tier
from tierchat.learning.outcomes.prompts import GradedPrompt, read_prompts, write_prompts
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.talks import after, with_follow_ups
from tierchat.learning.training.lesson import LessonAnswers

TALK = GradedPrompt(
    prompt="17*24?",
    answer="408",
    grader="number",
    system="Be brief.",
    family="talk/sums",
    then=GradedPrompt(
        prompt="Plus 2?",
        answer="410",
        grader="number",
        then=GradedPrompt(prompt="And the capital of France?", answer="Paris", grader="text"),
    ),
)
PLAIN = GradedPrompt(prompt="2+2", answer="4")


async def _of(tier: int, asked: Sequence[GradedPrompt]) -> list[str]:
    return [f"{tier} says {prompt.prompt}" for prompt in asked]


def test_every_turn_stands_on_the_answer_of_one_tier() -> None:
    found = asyncio.run(with_follow_ups([TALK, PLAIN], ["S", "M"], _of))
    assert [prompt.prompt for prompt in found] == [
        "17*24?", "2+2", "Plus 2?", "And the capital of France?",
    ]  # fmt: skip
    second, third = found[2:]
    assert second.answered_by in ("S", "M") and third.answered_by in ("S", "M")
    tier = ["S", "M"].index(second.answered_by)
    assert [turn.content for turn in second.earlier] == ["17*24?", f"{tier} says 17*24?"]
    assert [turn.role for turn in third.earlier] == ["user", "assistant"] * 2
    # One conversation is never split between fitting and judging.
    assert {second.group_name, third.group_name} == {TALK.digest} == {found[0].group_name}
    assert second.system == "Be brief." and third.family == "talk/sums"
    assert second.before == Earlier(num_turns=1, answered_by=second.answered_by)


def test_all_tiers_are_drawn_and_the_same_ones_again() -> None:
    talks = [GradedPrompt(prompt=f"{n}?", then=GradedPrompt(prompt="and now?")) for n in range(60)]
    first, again = (asyncio.run(with_follow_ups(talks, ["XS", "S", "M"], _of)) for _ in range(2))
    assert first == again
    drawn = [prompt.answered_by for prompt in first[60:]]
    assert all(12 <= drawn.count(tier) <= 28 for tier in ("XS", "S", "M"))


def test_a_turn_without_an_answer_ends_its_conversation() -> None:
    async def silent(tier: int, asked: Sequence[GradedPrompt]) -> list[str]:
        return [" " for _ in asked]

    assert asyncio.run(with_follow_ups([TALK], ["S"], silent)) == [TALK]


def test_a_lesson_asks_next_turns_after_real_answers_and_graders_see_them(tmp_path: Path) -> None:
    work = replace(WORK, thinks=(False, True))
    models = Scripted()
    with open_store(tmp_path / "outcomes.sqlite") as store:
        lesson = LessonAnswers(work, models, store, lambda _num, _all: None)
        found = asyncio.run(lesson.follow_ups([TALK, PLAIN], 0, float("inf")))
        assert len(found) == 4 and found[2].earlier[1].content == "4"
        # One tier has answered each of the first two turns, and no grade was needed.
        assert len(models.asked) == 2
        matrix = asyncio.run(lesson.collect(found, float("inf")))
        assert models.asked.count(("s", "17*24?")) + models.asked.count(("mm", "17*24?")) == 2
        [reading] = [r for p, r in zip(matrix.prompts, matrix.readings(0, "prefill"), strict=True)
                     if p.prompt == "Plus 2?"]  # fmt: skip
        assert reading.earlier == found[2].before


def test_when_time_is_up_what_is_missing_has_no_answer(tmp_path: Path) -> None:
    with open_store(tmp_path / "outcomes.sqlite") as store:
        slow = Scripted(delay_s=60)
        only = replace(WORK, thinks=(False, True)).only(0)
        found = asyncio.run(run_tier(only, [PLAIN], slow, store, lambda _n, _a: None, 0.0))
        assert found == [None]


def test_conversations_are_written_in_a_file_of_prompts(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    write_prompts(path, [TALK])
    assert read_prompts(path) == [TALK]
    assert after(TALK, "408", "S").answer == "410"
    path.write_text('{"prompt": "a", "then": {"prompt": "b", "grader": "nonsense"}}\n')
    with pytest.raises(UsageError, match="no grader named 'nonsense'"):
        read_prompts(path)
    path.write_text('{"prompt": "a", "then": {"prompt": " "}}\n')
    with pytest.raises(UsageError, match="`then` needs a prompt"):
        read_prompts(path)
