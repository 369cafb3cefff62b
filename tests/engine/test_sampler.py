"""The draw of a token: from the likeliest alone, and with each of llama.cpp's samplers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tierchat.engine.llama import sampler as sampler_module
from tierchat.engine.llama.context import LlamaContext
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.llama.sampler import Sampler
from tierchat.types import Sampling

VOCABULARY = 151_936
# The letters of ABCDABCDABC.
HISTORY = [38, 39, 40, 41, 38, 39, 40, 41, 38, 39, 40]


@pytest.fixture
def context(pocket_s: LlamaModel) -> Iterator[LlamaContext]:
    """A context whose row 1 holds logits; each test may overwrite them."""
    made = LlamaContext(pocket_s, num_cells=64, batch_size=8, max_sequences=1, num_threads=1)
    assert made.decode([5, 6], [0, 1], [0, 0], [False, True])
    yield made
    made.close()


def draws(model: LlamaModel, context: LlamaContext, sampling: Sampling, num: int = 64) -> list[int]:
    sampler = Sampler(model, sampling, history=HISTORY, max_history=64)
    found = [sampler.sample(context, 1) for _ in range(num)]
    sampler.close()
    return found


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0),
        Sampling(temperature=0.7, top_k=20, top_p=0.8, seed=1),
        Sampling(temperature=1.5, top_k=64, min_p=0.01, seed=1),
        Sampling(temperature=0, presence_penalty=0.5, repeat_last_n=8),
        Sampling(temperature=1, top_k=20, frequency_penalty=0.5, repeat_penalty=1.1, seed=1),
        Sampling(temperature=1, top_k=20, dry_multiplier=0.8, dry_base=2, seed=1),
        Sampling(temperature=1, top_k=20, typical_p=0.5, xtc_probability=0.5, seed=1),
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
        best = [int(token) for token in np.argsort(context.logits(1))[-5:]]
        banned = (best[-1],) if bans_best else ()
        found = []
        for smallest in (0, VOCABULARY):
            monkeypatch.setattr(sampler_module, "_MIN_VOCABULARY_TO_NARROW", smallest)
            # The penalties fall on the likeliest tokens.
            sampler = Sampler(pocket_s, sampling, banned, history=best * 3, max_history=64)
            assert sampler.num_candidates
            found.append([sampler.sample(context, 1) for _ in range(8)])
            sampler.close()
        assert found[0] == found[1] and not set(banned) & set(found[0])
    context.close()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1),
        Sampling(temperature=1, top_k=0),
        Sampling(temperature=1, top_k=-1),
        Sampling(temperature=1, top_p=0.9),
        Sampling(temperature=0, presence_penalty=-0.5),
        Sampling(temperature=1, top_k=20, repeat_penalty=0.9),
        Sampling(temperature=1, top_k=20, top_n_sigma=1),
        Sampling(temperature=1, top_k=20, mirostat=2),
        Sampling(temperature=1, top_k=20, samplers=("temperature", "top_k")),
    ],
)
def test_where_any_token_may_be_drawn_all_are_looked_at(
    pocket_s: LlamaModel, sampling: Sampling
) -> None:
    sampler = Sampler(pocket_s, sampling)
    assert sampler.num_candidates == 0
    sampler.close()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0, presence_penalty=2),
        Sampling(temperature=0, frequency_penalty=2),
        Sampling(temperature=0, repeat_penalty=1.5),
    ],
)
def test_a_penalty_makes_a_drawn_token_less_likely(
    pocket_s: LlamaModel, context: LlamaContext, sampling: Sampling
) -> None:
    logits = context.logits(1)
    best = next(int(t) for t in np.argsort(logits)[::-1] if t not in HISTORY)
    # The row that is drawn from stays the same, so that only the penalty can change the token.
    logits[:] = 1
    logits[best], logits[best + 1 if best + 1 not in HISTORY else 100] = 3, 2.5
    found = draws(pocket_s, context, sampling, 2)
    assert found[0] == best and found[1] != best


def test_a_penalty_looks_back_into_the_prompt_as_far_as_it_was_told(
    pocket_s: LlamaModel, context: LlamaContext
) -> None:
    logits = context.logits(1)
    logits[:] = 0
    logits[41], logits[200] = 3, 2.5
    # D is the fourth from the end of the prompt.
    for last_n, expected in ((0, 41), (3, 41), (4, 200), (-1, 200), (2**31 - 1, 200), (None, 200)):
        sampling = Sampling(temperature=0, repeat_penalty=1.5, repeat_last_n=last_n)
        assert draws(pocket_s, context, sampling, 1) == [expected], last_n


def test_dry_breaks_off_what_would_go_on_as_it_did_before(
    pocket_s: LlamaModel, context: LlamaContext
) -> None:
    logits = context.logits(1)
    logits[:] = 0
    # ABC was followed by D each time.
    logits[41], logits[200] = 3, 2.5
    assert draws(pocket_s, context, Sampling(temperature=0), 1) == [41]
    strong = Sampling(temperature=0, dry_multiplier=2)
    assert draws(pocket_s, context, strong, 1) == [200]
    for off in (
        Sampling(temperature=0, dry_multiplier=0),
        Sampling(temperature=0, dry_multiplier=2, dry_allowed_length=20),
        Sampling(temperature=0, dry_multiplier=2, dry_penalty_last_n=0),
    ):
        assert draws(pocket_s, context, off, 1) == [41]
    # A breaker inside the repeated tokens leaves too little of them to count.
    broken = Sampling(temperature=0, dry_multiplier=2, dry_sequence_breakers=("C",))
    assert draws(pocket_s, context, broken, 1) == [41]


def test_each_way_to_cut_the_list_leaves_the_tokens_it_should(
    pocket_s: LlamaModel, context: LlamaContext
) -> None:
    # Probabilities 0.6, 0.3 and 0.1, and nothing else.
    logits = context.logits(1)
    logits[:] = -100
    logits[[100, 101, 102]] = np.log([0.6, 0.3, 0.1])
    kept: list[tuple[Sampling, set[int]]] = [
        (Sampling(), {100, 101, 102}),
        (Sampling(top_k=-1), {100, 101, 102}),
        (Sampling(top_k=2), {100, 101}),
        (Sampling(top_p=0.8), {100, 101}),
        (Sampling(top_p=0), {100}),
        (Sampling(min_p=0.4), {100, 101}),
        # The standard deviation of all logits is 4.8.
        (Sampling(top_n_sigma=0.01), {100}),
        (Sampling(top_n_sigma=0.2), {100, 101}),
        (Sampling(top_n_sigma=1), {100, 101, 102}),
        (Sampling(top_n_sigma=-1), {100, 101, 102}),
        (Sampling(typical_p=1), {100, 101, 102}),
        # With nearly 0.9 nats, the token of 0.3 (1.2 nats) is the most typical.
        (Sampling(typical_p=0.2), {101}),
        # XTC leaves the least likely of the tokens above its threshold.
        (Sampling(xtc_probability=1, xtc_threshold=0.05), {102}),
        (Sampling(xtc_probability=1, xtc_threshold=0.2), {101, 102}),
        (Sampling(xtc_probability=0), {100, 101, 102}),
    ]
    for sampling, tokens in kept:
        drawn = Sampling(temperature=1, seed=3).filled(sampling)
        assert set(draws(pocket_s, context, drawn, 200)) == tokens, sampling


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_draws_from_all_and_less_surprisingly_with_a_smaller_target(
    pocket_s: LlamaModel, context: LlamaContext, version: int
) -> None:
    logits = context.logits(1)
    logits[:] = 0
    logits[100] = 5
    calm, wild = (
        draws(
            pocket_s,
            context,
            Sampling(temperature=1, mirostat=version, mirostat_tau=tau, mirostat_eta=0.5, seed=1),
            300,
        )
        for tau in (0.5, 8.0)
    )
    assert calm.count(100) > wild.count(100)


def test_the_order_of_samplers_can_be_chosen(pocket_s: LlamaModel, context: LlamaContext) -> None:
    logits = context.logits(1)
    logits[:] = -100
    logits[[100, 101, 102]] = np.log([0.6, 0.3, 0.1])
    hot = Sampling(temperature=10, min_p=0.4, seed=3)
    assert set(draws(pocket_s, context, hot, 200)) == {100, 101}
    late = Sampling(samplers=("temperature", "min_p")).filled(hot)
    assert set(draws(pocket_s, context, late, 200)) == {100, 101, 102}
    without = Sampling(samplers=("temperature",)).filled(hot)
    assert len(set(draws(pocket_s, context, without, 200))) >= 3


def test_a_dynamic_temperature_stays_within_its_range(
    pocket_s: LlamaModel, context: LlamaContext
) -> None:
    logits = context.logits(1)
    logits[:] = -100
    logits[[100, 101]] = np.log([0.9, 0.1])
    plain = draws(pocket_s, context, Sampling(temperature=1, seed=5), 400)
    wide = Sampling(temperature=1, dynatemp_range=1, dynatemp_exponent=1, seed=5)
    # Where the model is sure, the temperature sinks.
    assert draws(pocket_s, context, wide, 400).count(101) < plain.count(101)


def test_a_seed_repeats_the_draws_and_without_one_they_differ(
    pocket_s: LlamaModel, context: LlamaContext
) -> None:
    context.logits(1)[:] = 0
    for seed in (0, 7, 2**32 - 2):
        seeded = Sampling(temperature=1, seed=seed)
        assert draws(pocket_s, context, seeded) == draws(pocket_s, context, seeded)
    for seed in (None, -1):
        free = Sampling(temperature=1, seed=seed)
        assert draws(pocket_s, context, free) != draws(pocket_s, context, free)
