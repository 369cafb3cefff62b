"""The top tier's yes or no, by probability, on a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.made_matrix import made_matrix
from tierchat.config.catalogue import TierSpec
from tierchat.gates.order import Probe
from tierchat.learning.outcomes.arbiter import Arbiter, Case
from tierchat.learning.outcomes.arbiter_verdicts import count_without_verdict
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.work import Work
from tierchat.outcomes import Usage
from tierchat.types import Signals
from tierchat.workers.protocol import Failed, Finished, Generate, RequestEvent


class Scripted:
    """Says yes to what holds the word "good", and counts how often it is asked.

    `share` is how much of its next token's probability goes to saying yes or no at all.
    """

    def __init__(self, failure: str = "", share: float = 1.0) -> None:
        self.asked: list[str] = []
        self._failure, self._share = failure, share

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        text = order.messages[-1].content
        self.asked.append(text)
        assert order.sampling.max_tokens == 1 and order.probe and order.watch
        if self._failure:
            yield Failed(id=0, code=self._failure, message="no")
            return
        yes, no = (self._share * (0.6 if "good" in text else 0.1), self._share * 0.3)
        watched = (yes, 0.0, 0.0, 0.0, no, 0.0, 0.0, 0.0)
        first = Signals(watched=watched)
        probe = Probe(
            first=first,
            first_hidden=b"",
            second=first,
            second_hidden=b"",
            logprobs=(),
            prompt_tokens=(),
        )
        yield Finished(id=0, reason="length", usage=Usage(), probe=probe)


ARBITER = Arbiter(TierSpec(name="L", model="big"), "sha think=None")


def judge(path: Path, models: Scripted, *cases: Case) -> list[float | None]:
    with open_store(path / "o.sqlite") as store:
        return asyncio.run(ARBITER.judge(cases, models, store))


def test_the_verdict_is_the_share_of_yes_and_is_asked_for_once(tmp_path: Path) -> None:
    models = Scripted()
    cases = (Case("q", "good", "x"), Case("q", "bad", "x"), Case("q", "good", "x"))
    first = judge(tmp_path, models, *cases)
    assert first == pytest.approx([2 / 3, 1 / 4, 2 / 3]) and len(models.asked) == 2
    assert judge(tmp_path, models, *cases) == first and len(models.asked) == 2


def test_the_arbiters_own_words_need_no_verdict(tmp_path: Path) -> None:
    models = Scripted()
    assert judge(tmp_path, models, Case("q", " 4\n", "4")) == [1.0] and not models.asked


def test_a_tier_that_says_neither_yes_nor_no_gives_no_verdict(tmp_path: Path) -> None:
    models = Scripted(share=1e-5)
    cases = (Case("q", "good", "x"), Case("q", "bad", "x"), Case("q", "x", "x"))
    assert judge(tmp_path, models, *cases) == [None, None, 1.0] and len(models.asked) == 2
    # That there was no verdict is kept, too.
    assert judge(tmp_path, models, *cases) == [None, None, 1.0] and len(models.asked) == 2


def test_answers_without_a_verdict_are_counted_and_marked_answers_are_not_judged(
    tmp_path: Path,
) -> None:
    made = made_matrix(2)
    asked = (
        GradedPrompt(prompt="open"),
        GradedPrompt(prompt="marked", marks={"a": True, "b": False}),
    )
    rows = tuple(
        tuple(replace(cell, answer=text) for cell, text in zip(row, "abc", strict=True))
        for row in made.rows
    )
    matrix = replace(made, prompts=asked, rows=rows)
    tiers = tuple(TierSpec(name=name, model=name) for name in made.tiers)
    work, models = Work(tiers, made.tiers, 8), Scripted(share=1e-5)
    with open_store(tmp_path / "o.sqlite") as store:
        # "c" is the top tier's own in both rows.
        assert asyncio.run(count_without_verdict(work, matrix, models, store)) == (2, 4)
    assert len(models.asked) == 2 and all("open" in text for text in models.asked)


def test_what_is_too_long_to_judge_counts_as_wrong_and_a_failure_is_raised(tmp_path: Path) -> None:
    from tierchat.errors import ContextTooLong, TierchatError

    assert judge(tmp_path, Scripted(ContextTooLong.code), Case("q", "a", "b")) == [0.0]
    with pytest.raises(TierchatError):
        judge(tmp_path, Scripted("engine_crashed"), Case("q", "c", "d"))
