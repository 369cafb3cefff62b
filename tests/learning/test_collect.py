"""Filling an outcome matrix from scripted models: every cell once, kept, and graded."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tierchat.config.catalogue import TierSpec
from tierchat.errors import ContextTooLong, TemplateError
from tierchat.gates.order import Probe
from tierchat.learning.outcomes.collect import collect
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.work import Work
from tierchat.outcomes import Usage
from tierchat.types import Sampling, Signals, Verdict
from tierchat.workers.protocol import (
    Delta,
    Failed,
    Finished,
    Generate,
    ModelInfo,
    RequestEvent,
)

SIGNALS = Signals(escalate_probability=0.25)
PROBE = Probe(
    first=SIGNALS,
    first_hidden=b"\0\0\0\0",
    second=SIGNALS,
    second_hidden=b"\0\0\0\0",
    logprobs=(-0.5,),
    prompt_tokens=(1,),
)


class Scripted:
    """Answers "4" to everything, and fails as told for one prompt of one model."""

    def __init__(
        self,
        bad: tuple[str, str] = ("", ""),
        code: str = "",
        reason: str = "stop",
        delay_s: float = 0,
    ) -> None:
        self.asked: list[tuple[str, str]] = []
        self.orders: list[Generate] = []
        self._bad, self._code = bad, code
        self._reason, self._delay_s = reason, delay_s

    @property
    def calls(self) -> list[tuple[tuple[str, str], Generate]]:
        return list(zip(self.asked, self.orders, strict=True))

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        text = order.messages[-1].content
        self.asked.append((model, text))
        self.orders.append(order)
        await asyncio.sleep(self._delay_s)
        if (model, text) == self._bad:
            yield Failed(id=0, code=self._code, message="no", usage=Usage(prompt_tokens=9))
            return
        yield Delta(id=0, answer="4")
        verdict = Verdict(escalate=False, reason="", estimates={"answer_min_logprob": -0.5})
        usage = Usage(prompt_tokens=5, generated_tokens=1)
        yield Finished(id=0, reason=self._reason, usage=usage, verdict=verdict, probe=PROBE)

    async def load(self, model: str) -> object:
        raise AssertionError("every model has reported its size")

    def info(self, model: str) -> ModelInfo | None:
        return ModelInfo(
            name=model,
            architecture="llama",
            parameters=10 * len(model),
            size_bytes=1,
            context=64,
            vocabulary_size=9,
        )


WORK = Work(
    (
        TierSpec(name="S", model="s", sampling=Sampling(max_tokens=7, temperature=1.5)),
        TierSpec(name="M", model="mm", think=True),
    ),
    ("sha-s", "sha-m"),
    hold_back=8,
)
PROMPTS = [GradedPrompt(prompt="2+2", answer="4"), GradedPrompt(prompt="2+3", answer="5")]


def fill(
    path: Path,
    models: Scripted,
    prompts: Sequence[GradedPrompt] = PROMPTS,
    on_cell: Callable[[int, int], None] = lambda _done, _all: None,
    work: Work = WORK,
    until_s: float = math.inf,
) -> Matrix:
    with open_store(path / "o.sqlite") as store:
        return asyncio.run(collect(work, prompts, models, store, on_cell, until_s))


def test_every_tier_answers_every_prompt_once_and_never_again(tmp_path: Path) -> None:
    models = Scripted()
    matrix = fill(tmp_path, models)
    assert sorted(models.asked) == [("mm", "2+2"), ("mm", "2+3"), ("s", "2+2"), ("s", "2+3")]
    assert matrix.right.tolist() == [[True, True], [False, False]]
    assert matrix.tiers == ("S", "M") and matrix.parameters == (10.0, 20.0)
    assert matrix.escalate_probabilities.tolist() == [[0.25, 0.25]] * 2
    assert matrix.answer_min_logprobs.tolist() == [[-0.5, -0.5]] * 2
    again = fill(tmp_path, models)
    assert len(models.asked) == 4 and again == matrix


def test_tiers_answer_greedily_and_must_not_escalate(tmp_path: Path) -> None:
    models = Scripted()
    fill(tmp_path, models, PROMPTS[:1])
    high, low = models.orders
    assert (low.sampling.temperature, low.sampling.max_tokens, low.think) == (0, 7, None)
    assert (high.sampling.temperature, high.sampling.max_tokens, high.think) == (0, 512, True)
    assert all(order.probe and not order.gate.may_escalate for order in models.orders)


def test_every_bound_counts_and_other_bounds_are_other_cells(tmp_path: Path) -> None:
    models = Scripted()
    for bound in (7, 7, 6):
        prompt = GradedPrompt(prompt="2+2", answer="4", max_tokens=bound)
        fill(tmp_path, models, [prompt])
    assert [order.sampling.max_tokens for order in models.orders] == [7, 7, 6, 6]
    fill(tmp_path, models, PROMPTS[:1], work=replace(WORK, max_answer=5))
    assert [order.sampling.max_tokens for order in models.orders[4:]] == [5, 5]


def test_the_top_tier_answers_first_and_bounds_the_others(tmp_path: Path) -> None:
    work = replace(WORK, tiers=(TierSpec(name="S", model="s"), WORK.tiers[1]))
    models = Scripted()
    matrix = fill(tmp_path, models, work=work)
    # The top tier wrote one token.
    assert [(name, order.sampling.max_tokens) for (name, _), order in models.calls] == [
        *(("mm", 512), ("mm", 512), ("s", 34), ("s", 34)),
    ]
    assert fill(tmp_path, models, work=work) == matrix and len(models.asked) == 4
    thinking = replace(work, thinks=(True, False), identities=("other", "sha-m"))
    fill(tmp_path, models, work=thinking)
    assert models.orders[-1].sampling.max_tokens == 512


def test_a_cut_answer_is_graded_as_it_stands(tmp_path: Path) -> None:
    models = Scripted(reason="length")
    assert fill(tmp_path, models).right.tolist() == [[True, True], [False, False]]
    assert not fill(
        tmp_path, Scripted(reason="repetition"), [GradedPrompt(prompt="4", answer="4")]
    ).right.any()


def test_when_the_time_is_up_whole_rows_are_returned_and_all_cells_kept(tmp_path: Path) -> None:
    prompts = [GradedPrompt(prompt=f"2+{n}", answer="4") for n in range(40)]
    slow = Scripted(delay_s=0.2)
    matrix = fill(tmp_path, slow, prompts, until_s=time.monotonic() + 1.0)
    assert 0 < len(matrix.rows) < 40
    quick = Scripted()
    assert len(fill(tmp_path, quick, prompts).rows) == 40
    assert len(quick.asked) + 2 * len(matrix.rows) <= 80


def test_a_prompt_that_comes_twice_is_answered_once_and_counted_once(tmp_path: Path) -> None:
    models, counts = Scripted(), []
    matrix = fill(tmp_path, models, [*PROMPTS, PROMPTS[0]], lambda *count: counts.append(count))
    assert len(models.asked) == 4 and len(matrix.rows) == 3
    assert matrix.rows[0] == matrix.rows[2]
    assert counts[0] == (0, 4) and counts[-1] == (4, 4)


def test_a_prompt_that_a_tier_cannot_read_is_left_out(tmp_path: Path) -> None:
    models = Scripted(("s", "2+2"), ContextTooLong.code)
    matrix = fill(tmp_path, models)
    assert [prompt.prompt for prompt in matrix.prompts] == ["2+3"]
    fill(tmp_path, models)
    assert len(models.asked) == 4


def test_finished_cells_are_kept_when_a_worker_fails(tmp_path: Path) -> None:
    with pytest.raises(TemplateError):
        fill(tmp_path, Scripted(("s", "2+3"), TemplateError.code))
    models = Scripted()
    fill(tmp_path, models)
    assert ("mm", "2+2") not in models.asked and ("s", "2+3") in models.asked
