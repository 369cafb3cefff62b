"""The shipped GGUFs: what their files say, and that llama.cpp reads their tokenizer as we do."""

from __future__ import annotations

import random
from pathlib import Path

import jinja2
import pytest
from llama_cpp import Llama

from tierchat.pocket.recipe import tokenizer
from tierchat.pocket.tasks.outside import Outside

_MODELS = Path(tokenizer.__file__).parents[1] / "models"
_NAMES = ("pocket-xs", "pocket-s", "pocket-m")


@pytest.fixture(scope="module", params=_NAMES)
def vocabulary(request: pytest.FixtureRequest) -> Llama:
    return Llama(str(_MODELS / f"{request.param}.gguf"), vocab_only=True, verbose=False)


def test_all_three_fit_in_twenty_megabytes() -> None:
    assert sum((_MODELS / f"{name}.gguf").stat().st_size for name in _NAMES) < 19_500_000


def test_metadata_says_what_the_cascade_needs(vocabulary: Llama) -> None:
    facts = vocabulary.metadata
    assert facts["general.architecture"] == "llama" and facts["general.license"] == "MIT"
    assert facts["general.size_label"] and facts["general.name"].startswith("pocket-")
    assert facts["tokenizer.ggml.model"] == "gpt2" and facts["tokenizer.ggml.pre"] == "qwen2"
    assert int(facts["tierchat.escalate_token_id"]) == tokenizer.ESCALATE
    assert 0 < float(facts["tierchat.escalate_threshold"]) < 1
    assert float(facts["tierchat.answer_threshold"]) < 0
    assert facts["tierchat.recipe"] and int(facts["llama.context_length"]) >= 512


def test_special_tokens_are_control_tokens_and_text_never_becomes_one(vocabulary: Llama) -> None:
    for number, text in enumerate(tokenizer.SPECIALS):
        assert vocabulary.tokenize(text.encode(), add_bos=False, special=True) == [number]
        typed = vocabulary.tokenize(text.encode(), add_bos=False, special=False)
        assert not set(typed) & set(range(len(tokenizer.SPECIALS)))
    assert vocabulary.token_eos() == tokenizer.END


def test_llama_cpp_splits_text_as_the_training_tokenizer_does(vocabulary: Llama) -> None:
    pytest.importorskip("tokenizers", reason="extra [pocket]")
    gguf = pytest.importorskip("gguf", reason="extra [pocket]")
    ours = tokenizer.from_gguf(gguf.GGUFReader(_MODELS / "pocket-xs.gguf"))
    rng = random.Random(8)
    for outside in (Outside(held_out=False), Outside(held_out=True)):
        for _ in range(1_500):
            text = outside.draw(rng).prompt
            theirs = vocabulary.tokenize(text.encode(), add_bos=False, special=False)
            assert ours.encode(text, add_special_tokens=False).ids == theirs, text


def test_the_template_writes_turns_as_they_were_trained(vocabulary: Llama) -> None:
    template = jinja2.Environment().from_string(vocabulary.metadata["tokenizer.chat_template"])
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "17*24"},
        {"role": "assistant", "content": "<|think|>10*24=240<|/think|>408"},
        {"role": "user", "content": "2+2"},
    ]
    assert template.render(messages=messages, add_generation_prompt=True) == (
        "<|user|>Be brief.\n\n17*24<|assistant|>408<|end|><|user|>2+2<|assistant|>"
    )
