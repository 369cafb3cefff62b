"""The recipe in torch: growth keeps the function, padding changes nothing, a run repeats."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="extra [pocket]: training needs torch")
pytest.importorskip("reasoning_gym", reason="extra [pocket]")

from tierchat.pocket import dataset, generate, model, shipped, train  # noqa: E402

pytestmark = pytest.mark.pocket
_XS = Path(model.__file__).parent / "models" / "pocket-xs.gguf"


def _encoder() -> dataset.Encoder:
    return dataset.Encoder(shipped.load_tokenizer(_XS))


def test_widening_keeps_the_function() -> None:
    torch.manual_seed(1)
    small = model.Llama(model.Shape(64, 2, 128, 300))
    big = model.widen(small, torch.Generator().manual_seed(2))
    ids = torch.randint(0, 300, (2, 12))
    places = torch.arange(12)[None].expand(2, -1)
    mask = torch.ones(12, 12, dtype=torch.bool).tril()[None, None]
    with torch.no_grad():
        before, after = (net(ids, places, *model.rotations(16), mask) for net in (small, big))
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
        train.make_shard("s", encoder, dataset.Source("train"), 4, 300) for _ in range(2)
    )
    assert (first.ids == second.ids).all() and (first.weights == second.weights).all()
    assert first.ids.shape[1] == train.ROW_LENGTH


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    net = model.Llama(model.Shape(32, 1, 64, 300))
    train.save(tmp_path / "net.npz", net, {"tokens": 5})
    again, facts = train.load(tmp_path / "net.npz")
    assert facts["tokens"] == 5
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
