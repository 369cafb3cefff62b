"""The engine on a real bundled model."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.sequence import Sequence
from tierchat.engine.template import ChatTemplate
from tierchat.errors import ContextTooLong, ModelCorrupt, ModelMissing
from tierchat.types import Message, Sampling

ESCALATE = 5
PROMPTS = ["2+2", "What is 17*24?", "сколько будет 20+22?", "hello", "What is 12+7?", "9*9"]


@pytest.fixture
def engine(pocket_s: LlamaModel) -> Iterator[Engine]:
    engine = Engine(pocket_s, EngineLimits(context=256, num_cells=1024, max_sequences=4))
    yield engine
    engine.close()


def prompt(model: LlamaModel, text: str) -> list[int]:
    source = model.metadata("tokenizer.chat_template")
    assert source
    return ChatTemplate(source).render([Message(role="user", content=text)], model).tokens


def run(engine: Engine, sequences: list[Sequence], max_tokens: int = 120) -> list[list[int]]:
    for sequence in sequences:
        engine.add(sequence)
    while engine.has_work:
        for step in engine.step():
            if step.is_end or step.sequence.num_generated >= max_tokens:
                engine.finish(step.sequence)
    return [sequence.tokens[sequence.num_prompt_tokens :] for sequence in sequences]


def text(model: LlamaModel, tokens: list[int]) -> str:
    return b"".join(model.piece(token) for token in tokens).decode()


def test_many_sequences_at_once_answer_as_each_does_alone(
    engine: Engine, pocket_s: LlamaModel
) -> None:
    alone = [
        run(engine, [Sequence(i, prompt(pocket_s, q), Sampling())])[0]
        for i, q in enumerate(PROMPTS)
    ]
    together = run(
        engine, [Sequence(i, prompt(pocket_s, q), Sampling()) for i, q in enumerate(PROMPTS)]
    )
    assert together == alone
    assert text(pocket_s, together[1]).endswith("408")


def test_a_second_turn_computes_only_the_new_tokens(engine: Engine, pocket_s: LlamaModel) -> None:
    first = Sequence(1, prompt(pocket_s, "What is 12+7?"), Sampling())
    run(engine, [first])
    tokens = first.tokens + prompt(pocket_s, "2+2")
    second, fresh = Sequence(2, list(tokens), Sampling()), Sequence(3, list(tokens), Sampling())
    [reused] = run(engine, [second])
    assert second.num_cached == len(first.tokens) - 1
    other = Engine(pocket_s, EngineLimits(context=256, num_cells=256, max_sequences=1))
    assert run(other, [fresh]) == [reused]
    other.close()


def test_a_prompt_longer_than_the_context_is_refused(engine: Engine) -> None:
    with pytest.raises(ContextTooLong, match="300 tokens, the context is 256") as error:
        engine.add(Sequence(1, [7] * 300, Sampling()))
    assert "can read 512 tokens if `context` in config.toml" in error.value.hint


def test_no_longer_context_is_proposed_than_the_model_has(pocket_s: LlamaModel) -> None:
    whole = Engine(pocket_s, EngineLimits(context=512, num_cells=512, max_sequences=1))
    with pytest.raises(ContextTooLong) as error:
        whole.add(Sequence(1, [7] * 600, Sampling()))
    assert error.value.hint == ""
    whole.close()


def test_signals_name_the_escalate_token_before_anything_is_generated(
    engine: Engine, pocket_s: LlamaModel
) -> None:
    asked = "Write an essay about the peoples of the north"
    engine.add(Sequence(1, prompt(pocket_s, asked), Sampling(), escalate_token=ESCALATE))
    [step] = engine.step()
    assert step.token == ESCALATE and step.is_control
    assert step.signals and step.signals.escalate_probability
    assert step.signals.escalate_probability > 0.9
    assert step.logprob is not None and step.logprob > -0.2
    engine.finish(step.sequence)
    assert not engine.has_work


def test_a_banned_token_is_never_drawn(engine: Engine, pocket_s: LlamaModel) -> None:
    asked = prompt(pocket_s, "Write an essay about the peoples of the north")
    [answer] = run(engine, [Sequence(1, asked, Sampling(), banned=(ESCALATE,))], 40)
    assert ESCALATE not in answer and answer


def test_the_hidden_state_comes_on_request_at_the_last_prompt_position(
    engine: Engine, pocket_s: LlamaModel
) -> None:
    engine.add(Sequence(1, prompt(pocket_s, "2+2"), Sampling(), num_hidden_states=1))
    [step] = engine.step()
    assert step.hidden_state is not None and step.hidden_state.shape == (pocket_s.hidden_size,)
    [later] = engine.step()
    assert later.hidden_state is None
    engine.finish(later.sequence)


def test_a_long_prompt_gives_its_hidden_state_in_a_batch_of_few_outputs(
    pocket_s: LlamaModel,
) -> None:
    tokens = prompt(pocket_s, "What is 12+7? " * 30)
    assert len(tokens) > 200
    found = []
    for batch_size in (512, 48):
        limits = EngineLimits(
            context=512, num_cells=1024, max_sequences=4, batch_size=batch_size, kv_type="f16"
        )
        engine = Engine(pocket_s, limits)
        # Two of these, and a sequence that is already answering and wants its hidden states.
        asked = [Sequence(n, list(tokens), Sampling(), num_hidden_states=1) for n in range(2)]
        engine.add(Sequence(9, prompt(pocket_s, "2+2"), Sampling(), num_hidden_states=4))
        for sequence in asked:
            engine.add(sequence)
        first: dict[int, list[float]] = {}
        num_steps = 0
        while len(first) < 3:
            num_steps += 1
            for step in engine.step():
                if step.hidden_state is not None:
                    first.setdefault(step.sequence.id, step.hidden_state.tolist())
        found.append(first)
        assert num_steps < 40
        engine.close()
    for one in (0, 1, 9):
        assert found[0][one] == pytest.approx(found[1][one], abs=0.05)


def test_when_cells_run_out_the_youngest_waits_and_nothing_changes(pocket_s: LlamaModel) -> None:
    roomy = Engine(pocket_s, EngineLimits(context=200, num_cells=2048, max_sequences=8))
    tight = Engine(pocket_s, EngineLimits(context=200, num_cells=256, max_sequences=8))
    asked = [prompt(pocket_s, f"What is {n}*47?") for n in range(31, 39)]
    want = run(roomy, [Sequence(i, list(t), Sampling()) for i, t in enumerate(asked)])
    got = run(tight, [Sequence(i, list(t), Sampling()) for i, t in enumerate(asked)])
    assert got == want
    roomy.close()
    tight.close()


def test_random_arrivals_and_cancellations_leave_every_answer_right(
    engine: Engine, pocket_s: LlamaModel
) -> None:
    rng = random.Random(7)
    asked = {q: prompt(pocket_s, q) for q in PROMPTS}
    want = {
        q: run(engine, [Sequence(i, list(t), Sampling())])[0]
        for i, (q, t) in enumerate(asked.items())
    }
    live: dict[int, tuple[str, Sequence]] = {}
    num_done, next_id = 0, 100
    while num_done < 60:
        if len(live) < 9:
            question = rng.choice(PROMPTS)
            sequence = Sequence(next_id, list(asked[question]), Sampling())
            live[next_id] = (question, sequence)
            engine.add(sequence)
            next_id += 1
        for step in engine.step():
            if step.is_end:
                question, sequence = live.pop(step.sequence.id)
                engine.finish(sequence)
                assert sequence.tokens[sequence.num_prompt_tokens :] == want[question]
                num_done += 1
        if live and rng.random() < 0.1:
            _, (_, sequence) = live.popitem()
            engine.finish(sequence)
    for _, sequence in live.values():
        engine.finish(sequence)
    assert not engine.has_work


def test_the_same_seed_draws_the_same_tokens(engine: Engine, pocket_s: LlamaModel) -> None:
    hot = Sampling(temperature=3.0, seed=11)
    other = Sampling(temperature=3.0, seed=12)
    asked = prompt(pocket_s, "hello")
    one, two, three = (
        run(engine, [Sequence(i, list(asked), how)], 30)[0]
        for i, how in enumerate((hot, hot, other))
    )
    assert one == two != three


@pytest.mark.parametrize(
    ("sampling", "is_reused"),
    [
        (Sampling(), True),
        (Sampling(temperature=0), True),
        (Sampling(temperature=0, seed=7), False),
        (Sampling(temperature=1), True),
        (Sampling(temperature=1, seed=-1), True),
        (Sampling(temperature=1, seed=0), False),
        (Sampling(temperature=1, seed=7), False),
    ],
)
def test_with_a_seed_a_prompt_is_read_afresh(
    engine: Engine, pocket_s: LlamaModel, sampling: Sampling, is_reused: bool
) -> None:
    asked = prompt(pocket_s, "hello")
    for _ in range(2):
        sequence = Sequence(1, list(asked), sampling)
        run(engine, [sequence], 3)
    assert bool(sequence.num_cached) is is_reused


def test_a_missing_or_truncated_file_says_so(
    tmp_path: Path, models_dir: Path, llama_log: LlamaLog
) -> None:
    with pytest.raises(ModelMissing):
        LlamaModel(tmp_path / "none.gguf", llama_log)
    whole = (models_dir / "pocket-xs.gguf").read_bytes()
    for size in (0, 23, 4_000, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / f"{size}.gguf"
        cut.write_bytes(whole[:size])
        with pytest.raises(ModelCorrupt, match=r"does not load: .+"):
            LlamaModel(cut, llama_log)


def test_too_many_sequences_is_our_own_mistake(pocket_s: LlamaModel) -> None:
    with pytest.raises(ValueError, match="max_sequences"):
        Engine(pocket_s, EngineLimits(context=64, num_cells=64, max_sequences=257))


@pytest.mark.parametrize("reads_signals", [True, False])
def test_numbers_that_are_not_finite_break_one_sequence_and_spare_the_others(
    tmp_path: Path, models_dir: Path, llama_log: LlamaLog, reads_signals: bool
) -> None:
    # On the CPU: a GPU also multiplies the cells of other sequences, by 0, and 0 times NaN is NaN.
    whole = LlamaModel(models_dir / "pocket-xs.gguf", llama_log, gpu_layers=0)
    poison = prompt(whole, "hello")
    sound = [token for token in prompt(whole, "9*9") if token not in poison] * 3
    # Greedy compares with token 0 first, and nothing is greater than NaN.
    bad_token = next(token for token in poison if token and token not in sound)
    damaged = LlamaModel(
        with_token_not_a_number(models_dir / "pocket-xs.gguf", tmp_path / "bad.gguf", bad_token),
        llama_log,
        gpu_layers=0,
    )

    def tokens_and_states(model: LlamaModel, *prompts: list[int]) -> list[list[tuple[int, bool]]]:
        engine = Engine(model, EngineLimits(context=96, num_cells=256, max_sequences=4))
        found: dict[int, list[tuple[int, bool]]] = {id_: [] for id_ in range(len(prompts))}
        for id_, tokens in enumerate(prompts):
            # The output matrix is the transposed embedding, so one logit is never finite.
            engine.add(
                Sequence(id_, list(tokens), Sampling(), (bad_token,), reads_signals=reads_signals)
            )
        for _ in range(6):
            for step in engine.step():
                found[step.sequence.id].append((step.token, step.is_broken))
        engine.close()
        return list(found.values())

    [alone] = tokens_and_states(whole, sound)
    broken, spared = tokens_and_states(damaged, poison, sound)
    assert all(is_broken for _, is_broken in broken) and len(broken) == 6
    if reads_signals:
        assert all(is_broken for _, is_broken in spared)
    else:
        assert spared == alone and not any(is_broken for _, is_broken in alone)
    damaged.close()
    whole.close()


def with_token_not_a_number(source: Path, target: Path, token: int) -> Path:
    """Copy a GGUF, with the embedding of one token made NaN."""
    gguf = pytest.importorskip("gguf")
    raw = bytearray(source.read_bytes())
    [table] = [t for t in gguf.GGUFReader(source).tensors if t.name == "token_embd.weight"]
    assert table.tensor_type.name == "F16"
    row_bytes = 2 * int(table.shape[0])
    start = int(table.data_offset) + token * row_bytes
    raw[start : start + row_bytes] = b"\x00\x7e" * (row_bytes // 2)
    target.write_bytes(raw)
    return target


def test_interrupted_decodes_are_repeated_and_change_no_answer(
    engine: Engine, pocket_s: LlamaModel
) -> None:
    def sequences() -> list[Sequence]:
        return [Sequence(i, prompt(pocket_s, q), Sampling()) for i, q in enumerate(PROMPTS)]

    wanted = run(engine, sequences())
    rng, mine = random.Random(3), sequences()
    for sequence in mine:
        engine.add(sequence)
    num_interrupted = 0
    while engine.has_work:
        if rng.random() < 0.4:
            engine.interrupt()
            assert engine.step() == []
            engine.go_on()
            num_interrupted += 1
        for step in engine.step():
            if step.is_end or step.sequence.num_generated >= 120:
                engine.finish(step.sequence)
    assert num_interrupted > 10
    assert [each.tokens[each.num_prompt_tokens :] for each in mine] == wanted


def test_work_in_the_background_leaves_the_cached_conversations(
    engine: Engine, pocket_s: LlamaModel
) -> None:
    first = Sequence(1, prompt(pocket_s, "What is 12+7?"), Sampling())
    run(engine, [first])
    for number in range(8):
        tokens = prompt(pocket_s, f"What is {number + 3}*{number + 5}?")
        run(engine, [Sequence(10 + number, tokens, Sampling(), is_background=True)])
    second = Sequence(2, first.tokens + prompt(pocket_s, "2+2"), Sampling())
    run(engine, [second])
    assert second.num_cached == len(first.tokens) - 1
