"""Examples of the first mix: the same by seed, packed in rows, weighted where the tier learns."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tierchat
from tierchat.pocket.recipe import contexts, dataset, first_mix, tokenizer
from tierchat.pocket.tasks.problems import Problem

gguf = pytest.importorskip("gguf", reason="extra [pocket]")
tokenizers = pytest.importorskip("tokenizers", reason="extra [pocket]")
pytest.importorskip("reasoning_gym", reason="extra [pocket]")


def _tokenizer() -> tokenizers.Tokenizer:
    path = Path(tierchat.__file__).parent / "pocket" / "models" / "pocket-xs.gguf"
    return tokenizer.from_gguf(gguf.GGUFReader(path))


def _encoder() -> dataset.Encoder:
    return dataset.Encoder(_tokenizer())


def test_the_same_seed_packs_the_same_rows() -> None:
    encoder = _encoder()
    first, second = (
        first_mix.make_shard("s", encoder, dataset.ProblemSource("train"), 4, 300) for _ in range(2)
    )
    assert (first.ids == second.ids).all() and (first.weights == second.weights).all()
    assert first.ids.shape[1] == first_mix.ROW_LENGTH


def test_the_auxiliary_heads_targets_are_at_every_prompts_end_with_or_without_a_thought() -> None:
    source, rng = dataset.ProblemSource("train"), random.Random(3)
    problems = [source.task(rng, ("product", "3x3")), source.task(rng, ("sum", "1"))]
    at_once = dataset.Encoder(_tokenizer(), thinks=False)
    examples = [at_once.example(problems[0], escalate=True), at_once.example(problems[1])]
    chat = at_once.chat([problems[1]], examples[0])
    rows = dataset.pack(iter([*examples, chat]), 256)
    asked = rows.kinds > 0
    assert (rows.ids[asked] == tokenizer.ASSISTANT).all()
    assert rows.kinds[asked].tolist() == [examples[0].kind, examples[1].kind, examples[0].kind]
    num_worked_out = len(_encoder().example(problems[0]).ids) - examples[0].num_prompt
    assert rows.efforts[asked][0] == pytest.approx(num_worked_out / 100, abs=1e-2)
    assert rows.efforts[~asked].max() == 0


def test_a_tier_that_must_not_escalate_says_that_it_does_not_know() -> None:
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


def test_a_problem_in_context_keeps_its_reply_and_every_turn_before_it_is_unweighted() -> None:
    encoder, source, rng = _encoder(), dataset.ProblemSource("train"), random.Random(7)
    for _ in range(60):
        problem = source.task(rng)
        alone = encoder.example(problem)
        reply = encoder.reply(problem, False)
        found = contexts.in_context(problem, False, encoder, source, rng)
        assert found.ids[-len(reply) :] == reply and len(found.ids) > len(alone.ids)
        assert found.weights[-len(reply) :] == [1.0] * len(reply)


def test_levels_that_fail_are_drawn_more_often_and_hopeless_levels_seldom() -> None:
    weights = first_mix.weights_of({"sum/1": 1.0, "sum/4": 0.7, "product/3x3": 0.0})
    assert weights["sum/1"] < weights["product/3x3"] < weights["sum/4"]
    source = dataset.ProblemSource(
        "train", {"sum/4": 1.0} | {c: 0.0 for c in _other_cells("sum/4")}
    )
    rng = random.Random(1)
    assert {source.task(rng).cell for _ in range(20)} == {"sum/4"}


def _other_cells(kept: str) -> list[str]:
    return [cell for f, lev in dataset.cells() if (cell := f"{f}/{lev}") != kept]
