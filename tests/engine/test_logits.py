"""What is read from a row of logits."""

from __future__ import annotations

import numpy as np
import pytest

from tierchat.engine.logits import Distribution, likeliest

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
