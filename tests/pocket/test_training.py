"""The recipe in torch: growth keeps the function, padding changes nothing, a run repeats."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="extra [pocket]: training needs torch")
pytest.importorskip("reasoning_gym", reason="extra [pocket]")

from tierchat.pocket.measure import shipped  # noqa: E402
from tierchat.pocket.recipe import (  # noqa: E402
    average,
    dataset,
    first_mix,
    generate,
    model,
    tokenizer,
    train,
)

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


def test_a_run_keeps_the_model_and_throws_the_auxiliary_head_away(tmp_path: Path) -> None:
    encoder, source = _encoder(), dataset.ProblemSource("train")
    net = model.Llama(model.Shape(32, 1, 64, tokenizer.VOCAB_SIZE))
    before = net.state_dict()["token_embd.weight"].clone()
    shards = first_mix.shards_of("s", encoder, source, 1, 300)
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
