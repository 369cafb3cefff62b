"""Grammars of schemas: what they allow, token by token, and what they refuse."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.schema_cases import USABLE, is_about_a_format, walk
from tierchat.engine.engine import Engine, EngineLimits
from tierchat.engine.grammar import Grammar, GrammarCompiler, GrammarRefused
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.sequence import Sequence
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.types import Sampling
from tierchat.workers.child.schema_rewriting import rewritten


@pytest.fixture(scope="module")
def compiler(pocket_s: LlamaModel) -> GrammarCompiler:
    return GrammarCompiler(pocket_s)


def takes(grammar: Grammar, model: LlamaModel, text: str) -> bool:
    """Whether the grammar allows this text up to its end."""
    for token in model.tokenize(text, parse_special=False):
        if not grammar.allows(token):
            return False
        grammar.accept(token)
    end = next(token for token in model.control_tokens if model.is_end(token))
    return grammar.allows(end)


@pytest.mark.parametrize("name", list(USABLE))
def test_every_walk_through_a_grammar_fits_its_schema(
    compiler: GrammarCompiler, pocket_s: LlamaModel, name: str
) -> None:
    schema = AnswerSchema(USABLE[name])
    rest, _ = rewritten(schema.schema)
    usable = rest if isinstance(rest, dict) else {}
    num_ended = 0
    for seed in range(8):
        answer = walk(compiler.compile(usable), pocket_s, Random(seed), 1000)
        problem = schema.problem(answer) if answer else None
        assert problem is None or is_about_a_format(problem), answer
        num_ended += answer is not None
    assert num_ended


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (
            {"enum": ["grün", "🎉", "да"]},
            ['"grün"', '"🎉"', '"да"'],
            ['"gr', '"\\ud83c\\udf89"', '"🎊"'],
        ),
        ({"const": {"😀": 'q"q'}}, ['{"😀":"q\\"q"}', '{"😀": "q\\"q"}'], ['{"😀":"q"q"}', "{}"]),
        (
            {"type": "integer", "minimum": -5, "maximum": 5},
            ["-5", "0", "5"],
            ["6", "-6", "1.0", "05"],
        ),
        ({"type": "string", "pattern": "^\\d{2}\\s\\w$"}, ['"12 a"'], ['"1 a"', '"12aa"']),
        ({"type": "string", "pattern": "[0-9]"}, ['"5"', '"a5b"', '"яя7"'], ['"abc"']),
        ({"type": "string", "maxLength": 2}, ['"🎉🎉"', '""'], ['"abc"', '"🎉🎉🎉"']),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "null"}},
                "additionalProperties": False,
            },
            ['{"a":null}', '{\n  "a": null\n}', "{}"],
            ['{"a":null' + " " * 60 + "}", "{" + "\n" * 9 + "}", ' {"a":null}', '{"b":1}'],
        ),
    ],
)
def test_a_grammar_allows_what_fits_and_nothing_else(
    compiler: GrammarCompiler, pocket_s: LlamaModel, schema: Any, good: list[str], bad: list[str]
) -> None:
    for text in good:
        assert takes(compiler.compile(schema), pocket_s, text), text
    for text in bad:
        assert not takes(compiler.compile(schema), pocket_s, text), text


def test_a_finished_answer_allows_only_the_end(
    compiler: GrammarCompiler, pocket_s: LlamaModel
) -> None:
    grammar = compiler.compile({"const": 1})
    assert takes(grammar, pocket_s, "1") and grammar.is_complete and not grammar.problem
    allowed = grammar.allowed_tokens().tolist()
    assert allowed and all(pocket_s.is_end(token) for token in allowed)
    assert not grammar.allows(pocket_s.tokenize("1", parse_special=False)[0])


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"type": "string", "pattern": f"(a|b)*a(a|b){{{i}}}"} for i in range(1, 14)]},
        {
            "allOf": [
                {"anyOf": [{"minLength": i}, {"minimum": i}, {"minItems": i}]} for i in range(12)
            ]
        },
        {"type": "string", "pattern": "(.*a.{50}){20}"},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9},
        {"enum": [f"x{i}" for i in range(8000)]},
        {"type": "object", "properties": {f"p{i}": {"type": "integer"} for i in range(2000)}},
        {"$ref": "#"},
        {"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n"]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
    ],
)
def test_a_schema_made_to_take_long_is_bounded(
    compiler: GrammarCompiler, pocket_s: LlamaModel, schema: Any
) -> None:
    began_s = time.monotonic()
    try:
        walk(compiler.compile(schema), pocket_s, Random(1), 100)
    except GrammarRefused as refused:
        assert refused.reason
    assert time.monotonic() - began_s < 60


def test_sequences_with_different_schemas_run_in_one_batch(
    compiler: GrammarCompiler, pocket_s: LlamaModel
) -> None:
    engine = Engine(pocket_s, EngineLimits(context=256, num_cells=1024, max_sequences=4))
    prompt = pocket_s.tokenize("2+2", parse_special=False)
    schemas: list[Any] = [
        {"const": "🎉🎉"},
        {"type": "integer", "minimum": 1000, "maximum": 1009},
        {"type": "array", "items": {"enum": ["grün", 'a"b']}, "minItems": 3, "maxItems": 3},
    ]
    samplings = [Sampling(temperature=0), Sampling(temperature=1, seed=1), Sampling(top_k=5)]
    sequences = [
        Sequence(index, list(prompt), sampling, grammar=compiler.compile(schema))
        for index, (schema, sampling) in enumerate(zip(schemas, samplings, strict=True))
    ]
    free = Sequence(9, list(prompt), Sampling(temperature=0))
    for sequence in (*sequences, free):
        engine.add(sequence)
    while engine.has_work:
        for step in engine.step():
            if step.is_end or step.is_complete or step.sequence.num_generated > 100:
                engine.finish(step.sequence)
    engine.close()
    for schema, sequence in zip(schemas, sequences, strict=True):
        tokens = sequence.tokens[sequence.num_prompt_tokens :]
        answer = b"".join(pocket_s.piece(token) for token in tokens).decode()
        json.loads(answer)
        assert AnswerSchema(schema).problem(answer) is None


def test_the_signals_are_read_from_what_the_model_says_not_from_what_the_schema_allows(
    compiler: GrammarCompiler, pocket_s: LlamaModel
) -> None:
    found = []
    for grammar in (None, compiler.compile({"const": None})):
        engine = Engine(pocket_s, EngineLimits(context=64, num_cells=64, max_sequences=1))
        prompt = pocket_s.tokenize("Who wrote Hamlet?", parse_special=False)
        engine.add(Sequence(1, prompt, Sampling(temperature=0), escalate_token=5, grammar=grammar))
        found.append(engine.step()[0].signals)
        engine.close()
    assert found[0] == found[1] and found[0] is not None


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2", "coder-0.5b", "gemma3-base"])
def test_published_models_keep_to_a_schema_that_splits_characters(
    real_gguf: Callable[[str], Path], llama_log: LlamaLog, name: str
) -> None:
    model = LlamaModel(real_gguf(name), llama_log, gpu_layers=0, use_extra_buffer_types=False)
    engine = Engine(model, EngineLimits(context=512, num_cells=1024, max_sequences=2))
    compiler = GrammarCompiler(model)
    prompt = model.tokenize("As JSON:\n", parse_special=False)
    names = ["grün", "🎉🏳️‍🌈", 'q"\\', "ключ", "红"]
    schema: Any = {
        "type": "array",
        "items": {"enum": names},
        "minItems": 4,
        "maxItems": 6,
    }
    sequences = [
        Sequence(seed, list(prompt), Sampling(temperature=2 * seed, seed=1), grammar=grammar)
        for seed, grammar in enumerate([compiler.compile(schema), compiler.compile(schema)])
    ]
    for sequence in sequences:
        engine.add(sequence)
    while engine.has_work:
        for step in engine.step():
            if step.is_end or step.is_complete or step.sequence.num_generated > 200:
                engine.finish(step.sequence)
    engine.close()
    for sequence in sequences:
        tokens = sequence.tokens[sequence.num_prompt_tokens :]
        answer = b"".join(model.piece(token) for token in tokens).decode()
        assert set(json.loads(answer)) <= set(names) and 4 <= len(json.loads(answer)) <= 6
    model.close()
