"""What is read from a row of logits, and the draw from the likeliest tokens alone."""

from __future__ import annotations

import numpy as np
import pytest

from tierchat.engine import llama
from tierchat.engine.llama import LlamaContext, LlamaModel, Sampler
from tierchat.engine.logits import Distribution, likeliest
from tierchat.types import Sampling

VOCABULARY = 151_936


def row(scale: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(VOCABULARY) * scale).astype(np.float32)


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0, 50.0])
def test_signals_are_those_of_exact_probabilities(scale: float) -> None:
    logits = row(scale)
    exact = logits.astype(np.float64)
    logprobs = exact - exact.max() - np.log(np.exp(exact - exact.max()).sum())
    probabilities = np.exp(logprobs)
    second, first = np.sort(probabilities)[-2:]

    distribution = Distribution(logits)
    signals = distribution.signals(7, 3, watched=(1, 2))
    assert signals.escalate_probability == pytest.approx(probabilities[7], abs=1e-6)
    assert signals.watched == pytest.approx(probabilities[[1, 2]], abs=1e-6)
    assert signals.entropy == pytest.approx(-(probabilities * logprobs).sum(), abs=1e-5)
    assert signals.margin == pytest.approx(first - second, abs=1e-6)
    assert signals.num_prompt_tokens == 3
    assert distribution.logprob(5) == pytest.approx(logprobs[5], abs=1e-4)


@pytest.mark.parametrize("scale", [1.0, 50.0])
@pytest.mark.parametrize("num", [1, 21, 500])
def test_the_likeliest_tokens_are_all_among_the_few_found(scale: float, num: int) -> None:
    for seed in range(20):
        logits = row(scale, seed)
        found = likeliest(logits, num)
        assert found is not None and num <= len(found) <= 4096
        assert set(np.argsort(logits)[-num:]) <= set(found)


def test_tokens_that_are_all_alike_are_not_told_apart() -> None:
    assert likeliest(row(0.0), 1) is None
    assert likeliest(np.full(VOCABULARY, np.nan, np.float32), 1) is None
    assert likeliest(row(1.0), VOCABULARY) is None


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0),
        Sampling(temperature=0.7, top_k=20, top_p=0.8, seed=1),
        Sampling(temperature=1.5, top_k=64, min_p=0.01, seed=1),
    ],
)
@pytest.mark.parametrize("bans_best", [False, True])
def test_the_draw_from_the_likeliest_is_the_draw_from_all(
    pocket_s: LlamaModel, monkeypatch: pytest.MonkeyPatch, sampling: Sampling, bans_best: bool
) -> None:
    context = LlamaContext(pocket_s, num_cells=64, batch_size=8, max_sequences=1, num_threads=1)
    for start in range(10):
        context.forget(0, 0)
        assert context.decode([start + 5, start + 6], [0, 1], [0, 0], [False, True])
        banned = (int(context.logits(1).argmax()),) if bans_best else ()
        draws = []
        for smallest in (0, VOCABULARY):
            monkeypatch.setattr(llama, "_MIN_VOCABULARY_TO_NARROW", smallest)
            sampler = Sampler(pocket_s, sampling, banned)
            assert sampler.num_candidates
            draws.append([context.sample(sampler, 1) for _ in range(8)])
            sampler.close()
        assert draws[0] == draws[1] and not set(banned) & set(draws[0])
    context.close()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1),
        Sampling(temperature=1, top_p=0.9),
        Sampling(temperature=0, presence_penalty=0.5),
        Sampling(temperature=1, top_k=20, frequency_penalty=0.5),
        Sampling(temperature=1, top_k=20, json_schema='{"type": "integer"}'),
    ],
)
def test_where_any_token_may_be_drawn_all_are_looked_at(
    pocket_s: LlamaModel, sampling: Sampling
) -> None:
    sampler = Sampler(pocket_s, sampling)
    assert sampler.num_candidates == 0
    sampler.close()
