"""Conversations on models whose memory cannot roll back, beside one whose memory can."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tierchat.engine.checkpoints import Checkpoints
from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.kv_cache import KvCache
from tierchat.engine.llama.context import LlamaContext
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.logits import Distribution
from tierchat.engine.sequence import Sequence, Step
from tierchat.engine.template import ChatTemplate
from tierchat.errors import UsageError
from tierchat.types import Message, Sampling

KINDS = ("qwen35", "lfm2", "mamba")
SYSTEM = "You are a careful clerk of the harbour office. Answer in one word, always politely. " * 3
FIRST = "How many boxes are on the third ship, and who counted them this morning?"
SECOND = "And how many of them are blue? Write the number, then the name of the ship."
THIRD = "Thank you. Which of the two ships leaves first, and what does it carry home?"
EDITED = "Forget the boxes. What is the name of the captain of the third ship, please?"
# How many tokens may be computed again: the end of a prompt, and the distance of saved states.
NUM_UNSTABLE = 16
NUM_APART = 32
# Batches of different shapes add numbers in a different order. Two fresh contexts that compute the
# same tokens at once and in pieces differ by 0.002 and 0.06; the state of other tokens differs by
# 0.1 (short convolution) to 11 (delta net).
TOLERANCE, TOLERANCE_F16 = 0.01, 0.08


@pytest.fixture(scope="module", params=[*KINDS, "pocket-s"])
def model(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    llama_log: LlamaLog,
    models_dir: Path,
) -> Iterator[LlamaModel]:
    found = load(request.param, tmp_path_factory.mktemp("hybrid"), llama_log, models_dir)
    yield found
    found.close()


def load(kind: str, directory: Path, log: LlamaLog, models_dir: Path) -> LlamaModel:
    # On the CPU: there a batch gives the same numbers whatever else is in it.
    if kind not in KINDS:
        return LlamaModel(models_dir / f"{kind}.gguf", log, gpu_layers=0)
    pytest.importorskip("gguf")
    from tests.hybrid_gguf import write

    return LlamaModel(write(directory / f"{kind}.gguf", kind), log, gpu_layers=0)


@dataclass
class Turn:
    """One answer; `numbers` are the signals read before each of its tokens was drawn."""

    sequence: Sequence
    numbers: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        return self.sequence.tokens[self.sequence.num_prompt_tokens :]

    @property
    def num_prefilled(self) -> int:
        return self.sequence.num_prompt_tokens - self.sequence.num_cached

    def add(self, step: Step) -> None:
        assert step.signals and step.logprob is not None and not step.is_broken
        self.numbers.append((step.logprob, step.signals.entropy, step.signals.margin))


def limits(**changes: int) -> EngineLimits:
    return EngineLimits(**{"context": 480, "num_cells": 2048, "max_sequences": 4, **changes})


@pytest.fixture
def engine(model: LlamaModel) -> Iterator[Engine]:
    found = Engine(model, limits())
    yield found
    found.close()


def ask(engine: Engine, *prompts: list[int], max_tokens: int = 24) -> list[Turn]:
    """Run the prompts in parallel, each to `max_tokens` tokens: nonsense has no end token."""
    turns = {id_: Turn(Sequence(id_, list(p), Sampling())) for id_, p in enumerate(prompts)}
    for turn in turns.values():
        engine.add(turn.sequence)
    while engine.has_work:
        for step in engine.step():
            turns[step.sequence.id].add(step)
            if step.sequence.num_generated == max_tokens:
                engine.finish(step.sequence)
    return list(turns.values())


def error(turn: Turn, model: LlamaModel) -> float:
    """Compare with a fresh context that computes the whole conversation in one batch.

    Returns the largest difference of any log-probability, entropy or margin, or of any drawn token
    from the most likely token.
    """
    tokens, start = turn.sequence.tokens, turn.sequence.num_prompt_tokens - 1
    num = len(tokens)
    context = LlamaContext(model, num_cells=512, batch_size=num, max_sequences=1, num_threads=1)
    assert context.decode(tokens, range(num), [0] * num, [at >= start for at in range(num)])
    worst = 0.0
    for at, numbers in enumerate(turn.numbers, start):
        logits = context.logits(at)
        seen = Distribution(logits)
        signals = seen.signals(None, 0)
        fresh = seen.logprob(tokens[at + 1]), signals.entropy, signals.margin
        ties = seen.logprob(int(logits.argmax())) - fresh[0]
        worst = max(worst, ties, *(abs(a - b) for a, b in zip(numbers, fresh, strict=True)))
    context.close()
    return worst


def is_fresh(turn: Turn, model: LlamaModel) -> bool:
    """Whether an answer is the same as without the earlier prompts."""
    is_float32 = model.is_hybrid or model.is_recurrent
    return error(turn, model) < (TOLERANCE if is_float32 else TOLERANCE_F16)


def user(model: LlamaModel, text: str, system: str = "") -> list[int]:
    source = model.metadata("tokenizer.chat_template")
    assert source
    messages = [Message(role="system", content=system)] if system else []
    return (
        ChatTemplate(source).render([*messages, Message(role="user", content=text)], model).tokens
    )


def without_thought(turn: Turn) -> list[int]:
    """Return the conversation as a template repeats it that drops thoughts: with fewer tokens."""
    return turn.sequence.tokens[: turn.sequence.num_prompt_tokens - 3] + turn.tokens[9:]


def test_only_full_attention_rolls_back_and_asking_leaves_nothing_behind(
    model: LlamaModel,
) -> None:
    context = LlamaContext(model, num_cells=256, batch_size=64, max_sequences=2, num_threads=1)
    is_full_attention = not (model.is_hybrid or model.is_recurrent)
    assert context.can_roll_back == is_full_attention
    # llama.cpp refuses position 0 in the probed slot unless that slot is empty again.
    assert context.decode(range(8, 40), range(32), [0] * 32, [False] * 32)
    assert context.forget(0, 20) == is_full_attention
    assert context.forget(0, 32)
    context.close()


@pytest.mark.parametrize("model", KINDS, indirect=True)
def test_a_saved_state_brings_back_the_logits_in_its_own_slot_and_in_another(
    model: LlamaModel,
) -> None:
    context = LlamaContext(model, num_cells=256, batch_size=64, max_sequences=2, num_threads=1)
    assert not context.can_roll_back
    context.decode(range(8, 40), range(32), [0] * 32, [False] * 32)
    state = context.save_state(0)
    more = (range(50, 60), range(32, 42))
    context.decode(*more, [0] * 10, [False] * 9 + [True])
    want = context.logits(9).copy()
    context.share(0, 1, 32)
    for slot in (1, 0):
        assert context.restore_state(slot, state) and context.forget(slot, 32)
        context.decode(*more, [slot] * 10, [False] * 9 + [True])
        assert abs(context.logits(9) - want).max() < TOLERANCE
    assert not context.restore_state(1, state[: state.size // 2])
    context.close()


def test_turns_that_extend_what_a_slot_holds_compute_only_what_is_new(
    engine: Engine, model: LlamaModel
) -> None:
    [turn] = ask(engine, user(model, FIRST, SYSTEM))
    for text in (SECOND, THIRD):
        before = turn.sequence.tokens
        [turn] = ask(engine, before + user(model, text))
        assert turn.sequence.num_cached == len(before) - 1
        assert is_fresh(turn, model)


def test_turns_whose_thoughts_are_dropped_go_on_from_the_prompt_before(
    engine: Engine, model: LlamaModel
) -> None:
    [turn] = ask(engine, user(model, FIRST, SYSTEM))
    for text in (SECOND, THIRD):
        num_before = turn.sequence.num_prompt_tokens
        new = user(model, text)
        [turn] = ask(engine, without_thought(turn) + new)
        assert turn.sequence.num_cached >= num_before - NUM_UNSTABLE
        assert turn.num_prefilled <= NUM_UNSTABLE + 24 + len(new)
        assert is_fresh(turn, model)


def test_an_edited_turn_leaves_the_first_answer_and_forgets_the_second(
    engine: Engine, model: LlamaModel
) -> None:
    [first] = ask(engine, user(model, FIRST, SYSTEM))
    ask(engine, first.sequence.tokens + user(model, SECOND))
    [edited] = ask(engine, first.sequence.tokens + user(model, EDITED))
    assert edited.sequence.num_cached >= first.sequence.num_prompt_tokens - NUM_UNSTABLE
    assert is_fresh(edited, model)


def test_the_same_prompt_again_computes_only_its_end(engine: Engine, model: LlamaModel) -> None:
    prompt = user(model, FIRST, SYSTEM)
    turns = [ask(engine, prompt)[0] for _ in range(3)]
    assert all(turn.num_prefilled <= NUM_UNSTABLE for turn in turns[1:])
    assert is_fresh(turns[-1], model) and turns[-1].tokens == turns[0].tokens


def test_conversations_in_parallel_share_a_system_prompt_and_nothing_else(
    engine: Engine, model: LlamaModel
) -> None:
    ask(engine, user(model, "Good morning!", SYSTEM))
    # A memory without roll-back saves a state where this prompt departs from the first one.
    [learning] = ask(engine, user(model, "Are you there?", SYSTEM))
    assert is_fresh(learning, model)
    turns = ask(engine, user(model, FIRST, SYSTEM), user(model, EDITED, SYSTEM))
    num_shared = len(model.tokenize(SYSTEM, parse_special=False))
    assert all(turn.sequence.num_cached >= num_shared - NUM_APART for turn in turns)
    assert all(is_fresh(turn, model) for turn in turns)
    seconds = ask(engine, *(without_thought(turn) + user(model, SECOND) for turn in turns))
    assert all(
        second.sequence.num_cached >= first.sequence.num_prompt_tokens - NUM_UNSTABLE - NUM_APART
        for first, second in zip(turns, seconds, strict=True)
    )
    assert all(is_fresh(turn, model) for turn in seconds)


def test_a_slot_is_shared_whole_while_its_own_sequence_goes_on(
    engine: Engine, model: LlamaModel
) -> None:
    prompt = user(model, FIRST, SYSTEM)
    running = Turn(Sequence(1, list(prompt), Sampling()))
    engine.add(running.sequence)
    for _ in range(8):
        for step in engine.step():
            running.add(step)
    fork = Turn(Sequence(2, running.sequence.tokens + user(model, SECOND), Sampling()))
    engine.add(fork.sequence)
    while engine.has_work:
        for step in engine.step():
            turn = running if step.sequence is running.sequence else fork
            turn.add(step)
            if len(turn.tokens) == 24:
                engine.finish(step.sequence)
    assert fork.sequence.num_cached >= len(prompt)
    assert is_fresh(running, model) and is_fresh(fork, model)


def test_preemption_and_eviction_in_few_cells_change_no_answer(
    model: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[int] = []
    drop = KvCache.drop
    monkeypatch.setattr(
        KvCache, "drop", lambda cache, slot: (dropped.append(slot), drop(cache, slot))
    )
    engine = Engine(model, limits(context=300, num_cells=512, batch_size=64))
    prompts = [user(model, text, SYSTEM) for text in (FIRST, SECOND, THIRD, EDITED)]
    for _ in range(3):
        turns = ask(engine, *prompts)
        assert all(is_fresh(turn, model) for turn in turns)
        prompts = [without_thought(turn)[:200] + user(model, "Why?") for turn in turns]
    # A purely recurrent memory has one cell per slot and never lacks one.
    assert bool(dropped) != model.is_recurrent
    engine.close()


@pytest.mark.slow
def test_random_conversations_and_cancellations_leave_every_answer_right(
    model: LlamaModel,
) -> None:
    rng = random.Random(5)
    # Room for a few states only.
    engine = Engine(
        model, limits(num_cells=700, max_sequences=3, batch_size=48, max_state_bytes=90_000)
    )
    texts = [FIRST, SECOND, THIRD, EDITED, "Yes.", "No!"]
    known = [user(model, text, system) for text in texts for system in ("", SYSTEM, SYSTEM[:99])]
    live: dict[Sequence, Turn] = {}
    num_reused = 0
    for id_ in range(60):
        prompt = rng.choice(known)[:250] + user(model, rng.choice(texts))
        turn = Turn(Sequence(id_, prompt, Sampling()))
        live[turn.sequence] = turn
        engine.add(turn.sequence)
        for _ in range(rng.randrange(12)):
            for step in engine.step():
                live[step.sequence].add(step)
                if step.sequence.num_generated == 8 or rng.random() < 0.05:
                    engine.finish(step.sequence)
                    done = live.pop(step.sequence)
                    num_reused += done.sequence.num_cached > 0
                    assert is_fresh(done, model)
                    known.append(done.sequence.tokens)
        if live and rng.random() < 0.2:
            engine.finish(live.pop(rng.choice(list(live))).sequence)
    assert num_reused > 5
    engine.close()


def test_without_room_for_states_answers_are_right_and_nothing_is_reused(
    model: LlamaModel,
) -> None:
    engine = Engine(model, limits(max_state_bytes=1000))
    [turn] = ask(engine, user(model, FIRST, SYSTEM))
    [second] = ask(engine, without_thought(turn) + user(model, SECOND))
    assert (second.sequence.num_cached == 0) == (model.is_hybrid or model.is_recurrent)
    assert is_fresh(second, model)
    engine.close()


@pytest.mark.parametrize("kind", ["qwen35", "lfm2"])
def test_taking_such_a_memory_for_one_that_rolls_back_gives_wrong_answers(
    kind: str,
    tmp_path: Path,
    llama_log: LlamaLog,
    models_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load(kind, tmp_path, llama_log, models_dir)
    greeting = user(model, "Good morning! " * 40, SYSTEM)

    def second_conversation() -> Turn:
        engine = Engine(model, limits())
        ask(engine, greeting)
        [turn] = ask(engine, user(model, FIRST, SYSTEM))
        engine.close()
        return turn

    right = second_conversation()
    with monkeypatch.context() as patch:
        patch.setattr(LlamaContext, "can_roll_back", True)
        patch.setattr(KvCache, "_cut", lambda *_: True)
        naive = second_conversation()
    assert naive.sequence.num_cached > 0 and not is_fresh(naive, model)
    assert is_fresh(right, model)
    model.close()


def test_hidden_states_are_refused_where_they_would_cost_the_logits(
    tmp_path: Path, llama_log: LlamaLog, models_dir: Path
) -> None:
    model = load("lfm2", tmp_path, llama_log, models_dir)
    engine = Engine(model, limits())
    with pytest.raises(UsageError, match="lfm2 models give no hidden states"):
        engine.add(Sequence(1, user(model, FIRST), Sampling(), num_hidden_states=1))
    assert not engine.has_work
    engine.close()
    model.close()


def test_a_slot_keeps_its_first_state_and_its_newest() -> None:
    kept = Checkpoints(max_bytes=1000)
    for num_tokens in (10, 20, 30, 40, 50, 60):
        kept.add(0, num_tokens, np.zeros(10, np.uint8))
    assert [kept.longest(0, most) for most in (9, 39, 49, 59, 99)] == [0, 10, 40, 50, 60]
    kept.cut(0, 40)
    assert kept.longest(0, 99) == 40 and kept.longest(1, 99) == 0
    kept.copy(0, 1, 30)
    assert kept.longest(1, 99) == 10 and kept.size_bytes == 20
    assert kept.take(1, 10) is kept.take(0, 10)


def test_states_beyond_the_bytes_go_the_least_recently_used_first() -> None:
    kept = Checkpoints(max_bytes=30)
    for slot in (0, 1, 2):
        kept.add(slot, 10, np.zeros(10, np.uint8))
    assert kept.take(0, 10) is not None
    kept.add(3, 10, np.zeros(10, np.uint8))
    assert [kept.longest(slot, 99) for slot in range(4)] == [10, 0, 10, 10]
    kept.add(3, 20, np.zeros(31, np.uint8))
    assert kept.size_bytes == 30 and kept.take(3, 20) is None
