"""The recipe in torch: growth keeps the function, padding changes nothing, a run repeats."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra [pocket]: training needs torch")
pytest.importorskip("reasoning_gym", reason="extra [pocket]")

from tierchat.pocket.measure import shipped  # noqa: E402
from tierchat.pocket.recipe import average, contexts, dataset, generate, model, tokenizer, train  # noqa: E402
from tierchat.pocket.tasks.problems import Problem  # noqa: E402

pytestmark = pytest.mark.pocket
_XS = Path(model.__file__).parents[1] / "models" / "pocket-xs.gguf"


def _encoder() -> dataset.Encoder:
    return dataset.Encoder(shipped.load_tokenizer(_XS))


def test_widening_keeps_the_function() -> None:
    torch.manual_seed(1)
    small = model.Llama(model.Shape(64, 2, 128, 300))
    big = model.widen(small, torch.Generator().manual_seed(2))
    ids = torch.randint(0, 300, (2, 12))
    positions = torch.arange(12)[None].expand(2, -1)
    mask = torch.ones(12, 12, dtype=torch.bool).tril()[None, None]
    with torch.no_grad():
        before, after = (net(ids, positions, *model.rotations(16), mask) for net in (small, big))
    assert torch.allclose(before, after, atol=1e-5)
    assert big.shape.num_parameters == sum(p.numel() for p in big.parameters())


def test_an_answer_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    net, encoder = shipped.load(_XS).net, _encoder()
    prompts = ["2+2", "What is 3+4?", "Сколько будет 5 плюс 2?", "Write an essay about tea."]
    together = generate.answer_all(net, encoder, prompts, 20)
    for prompt, reply in zip(prompts, together, strict=True):
        alone = generate.answer_all(net, encoder, [prompt], 20)[0]
        assert alone.answer == reply.answer
        assert alone.escalate_probability == pytest.approx(reply.escalate_probability, abs=1e-4)


def test_the_same_seed_packs_the_same_rows() -> None:
    encoder = _encoder()
    first, second = (
        train.make_shard("s", encoder, dataset.ProblemSource("train"), 4, 300) for _ in range(2)
    )
    assert (first.ids == second.ids).all() and (first.weights == second.weights).all()
    assert first.ids.shape[1] == train.ROW_LENGTH


def test_what_is_foretold_stands_at_every_prompts_end_even_where_no_thought_is_written() -> None:
    source, rng = dataset.ProblemSource("train"), random.Random(3)
    problems = [source.task(rng, ("product", "3x3")), source.task(rng, ("sum", "1"))]
    at_once = dataset.Encoder(shipped.load_tokenizer(_XS), thinks=False)
    examples = [at_once.example(problems[0], escalate=True), at_once.example(problems[1])]
    chat = at_once.chat([problems[1]], examples[0])
    rows = dataset.pack(iter([*examples, chat]), 256)
    asked = rows.kinds > 0
    assert (rows.ids[asked] == tokenizer.ASSISTANT).all()
    assert rows.kinds[asked].tolist() == [examples[0].kind, examples[1].kind, examples[0].kind]
    num_worked_out = len(_encoder().example(problems[0]).ids) - examples[0].num_prompt
    assert rows.efforts[asked][0] == pytest.approx(num_worked_out / 100, abs=1e-2)
    assert rows.efforts[~asked].max() == 0


def test_where_escalation_is_forbidden_what_is_above_a_tier_is_not_known() -> None:
    source, rng, encoder = dataset.ProblemSource("train"), random.Random(3), _encoder()
    hard = source.task(rng, ("product", "3x3"))
    asked = {
        "I do not know.": [replace(hard, prompt="What is 123*456?"), _outside("Write a poem")],
        "Я не знаю.": [replace(hard, prompt="Сколько будет 123*456?"), _outside("Напиши стих")],
    }
    for answer, problems in asked.items():
        for problem in problems:
            forced, escalated = encoder.forced(problem), encoder.example(problem, escalate=True)
            assert encoder.decode(forced.ids[forced.num_prompt : -1]) == answer
            assert forced.ids[-1] == tokenizer.END and tokenizer.ESCALATE not in forced.ids
            assert (forced.kind, forced.effort) == (escalated.kind, escalated.effort)
            rows = dataset.pack(iter([escalated, forced]), 256)
            place = len(escalated.ids) + forced.num_prompt - 1
            assert np.argwhere(rows.forced).tolist() == [[0, place]]


def _outside(prompt: str) -> Problem:
    return Problem("outside", "outside", "poem", prompt, None)


def test_a_run_keeps_the_model_and_throws_the_head_that_foretells_away(tmp_path: Path) -> None:
    encoder, source = _encoder(), dataset.ProblemSource("train")
    net = model.Llama(model.Shape(32, 1, 64, tokenizer.VOCAB_SIZE))
    before = net.state_dict()["token_embd.weight"].clone()
    shards = train.shards_of("s", encoder, source, 1, 300)
    plan = train.TrainingPlan("s", minutes=0.01, rate=1e-3, batch=8)
    train.train(net, plan, shards, tmp_path / "s.npz", encoder.num_kinds, compiled=False)
    again, facts = train.load(tmp_path / "s.npz")
    assert facts["tokens"] > 0
    assert set(again.state_dict()) == set(net.state_dict())
    assert not torch.equal(again.state_dict()["token_embd.weight"], before)


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    net = model.Llama(model.Shape(32, 1, 64, 300))
    train.save(tmp_path / "net.npz", net, {"tokens": 5})
    again, facts = train.load(tmp_path / "net.npz")
    assert facts["tokens"] == 5
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])


def test_an_average_lies_half_way() -> None:
    shape = model.Shape(32, 1, 64, 300)
    first, second = model.Llama(shape), model.Llama(shape)
    middle = average.average(first, second)
    for name, weight in middle.state_dict().items():
        half = (first.state_dict()[name] + second.state_dict()[name]) / 2
        assert torch.allclose(weight, half)
    with pytest.raises(ValueError, match="cannot be averaged"):
        average.average(first, model.Llama(model.Shape(32, 2, 64, 300)))


def test_a_problem_in_context_keeps_its_reply_and_every_turn_before_it_is_unweighted() -> None:
    encoder, source, rng = _encoder(), dataset.ProblemSource("train"), random.Random(7)
    for _ in range(60):
        problem = source.task(rng)
        alone = encoder.example(problem)
        reply = encoder.reply(problem, False)
        found = contexts.in_context(problem, False, encoder, source, rng)
        assert found.ids[-len(reply) :] == reply and len(found.ids) > len(alone.ids)
        assert found.weights[-len(reply) :] == [1.0] * len(reply)


def test_what_fails_is_drawn_more_often_and_what_is_hopeless_seldom() -> None:
    weights = train.weights_of({"sum/1": 1.0, "sum/4": 0.7, "product/3x3": 0.0})
    assert weights["sum/1"] < weights["product/3x3"] < weights["sum/4"]
    source = dataset.ProblemSource(
        "train", {"sum/4": 1.0} | {c: 0.0 for c in _other_cells("sum/4")}
    )
    rng = random.Random(1)
    assert {source.task(rng).cell for _ in range(20)} == {"sum/4"}


def _other_cells(kept: str) -> list[str]:
    return [cell for f, lev in dataset.cells() if (cell := f"{f}/{lev}") != kept]
