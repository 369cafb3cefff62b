"""What is read at every position of a prompt, on a real model and in small numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.prompt_reader import PromptReader, PromptScorer, StatePooler
from tierchat.engine.sequence import Sequence
from tierchat.types import Sampling

LONG = "12 + 30 = 42, and 7 * 8 = 56. " * 20


def read(model: LlamaModel, readers: list[tuple[list[int], PromptReader]], **limits: int) -> None:
    """Let one engine read all prompts at once."""
    sizes = {"context": 1024, "num_cells": 2048, "max_sequences": 4, **limits}
    engine = Engine(model, EngineLimits(**sizes))  # type: ignore[arg-type]
    try:
        left = []
        for number, (tokens, reader) in enumerate(readers):
            sampling = Sampling(temperature=0)
            left.append(Sequence(number, [*tokens], sampling, reads_signals=False, reader=reader))
            engine.add(left[-1])
        while left:
            for step in engine.step():
                engine.finish(step.sequence)
                left.remove(step.sequence)
    finally:
        engine.close()


def test_scores_do_not_depend_on_how_a_prompt_is_cut_into_batches(pocket_s: LlamaModel) -> None:
    tokens = pocket_s.tokenize(LONG, parse_special=False)
    whole, other, beside = (PromptScorer(tokens, 2) for _ in range(3))
    read(pocket_s, [(tokens, whole)])
    read(pocket_s, [(tokens, other), (tokens, beside)], batch_size=48)
    assert len(tokens) > 200 and len(whole.scores) == len(other.scores) == len(tokens)
    for a, b, c in list(zip(whole.scores, other.scores, beside.scores, strict=True))[1:]:
        assert a.logprob == pytest.approx(b.logprob, abs=0.1)
        assert a.logprob == pytest.approx(c.logprob, abs=0.1)
        assert a.top[0][1] >= a.top[1][1] and a.top[0][1] >= (a.logprob or 0) - 1e-6


def test_equal_texts_have_equal_vectors_and_others_do_not(pocket_s: LlamaModel) -> None:
    texts = ["two and two", "two and two", "a leap year has 366 days"]
    tokens = [pocket_s.tokenize(text, parse_special=False) for text in texts]
    poolers = [StatePooler("mean") for _ in texts]
    read(pocket_s, list(zip(tokens, poolers, strict=True)))
    first, second, third = (pooler.vector() for pooler in poolers)
    assert first.shape == (pocket_s.hidden_size,)
    assert float(np.linalg.norm(first)) == pytest.approx(1, abs=1e-5)
    assert float(first @ second) > 0.999 > float(first @ third)


@pytest.mark.parametrize(("pooling", "wanted"), [("mean", 2), ("first", 1), ("last", 3)])
def test_a_prompt_that_is_read_again_is_read_from_the_start(pooling: str, wanted: int) -> None:
    pooler = StatePooler(pooling)  # type: ignore[arg-type]
    scorer = PromptScorer([0, 1, 1], 1)
    for position in (0, 1, 0, 1, 2):
        pooler.take(position, np.array([position + 1.0, 0.0], np.float32))
        scorer.take(position, np.array([0.0, position, 0.0], np.float32))
    pooled = pooler._sum if pooling != "mean" else pooler._sum / 3  # type: ignore[operator]
    assert pooled[0] == wanted  # type: ignore[index]
    assert [score.token for score in scorer.scores] == [0, 1, 1]
    assert scorer.scores[2].logprob > scorer.scores[1].logprob  # type: ignore[operator]
