"""Schemas fitted to what a grammar can enforce, with what it cannot said."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.schema_cases import CHECKED, REFUSED, USABLE, is_about_a_format, random_schema, walk
from tierchat.engine.grammar import GrammarCompiler
from tierchat.engine.llama.model import LlamaModel
from tierchat.errors import SchemaRefused
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.workers.child.schema_grammar import grammar_for


@pytest.fixture(scope="module")
def compiler(pocket_s: LlamaModel) -> GrammarCompiler:
    return GrammarCompiler(pocket_s)


@pytest.mark.parametrize("name", USABLE)
def test_a_usual_schema_is_enforced_in_every_part(
    compiler: GrammarCompiler, pocket_s: LlamaModel, name: str
) -> None:
    schema = AnswerSchema.of_text(json.dumps(USABLE[name]))
    grammar, notices = grammar_for(schema.schema, compiler)
    assert not notices and not schema.notices
    problem = schema.problem(walk(grammar, pocket_s, Random(4), 1000) or "")
    assert problem is None or is_about_a_format(problem)


@pytest.mark.parametrize("place", CHECKED)
def test_a_part_that_cannot_be_enforced_is_said(compiler: GrammarCompiler, place: str) -> None:
    schema = AnswerSchema.of_text(json.dumps(CHECKED[place]))
    _, [notice] = grammar_for(schema.schema, compiler)
    assert notice == f"schema: {place} cannot be enforced, only checked in the finished answer"


@pytest.mark.parametrize("place", REFUSED)
def test_a_schema_that_no_answer_fits_is_refused_with_the_part_named(
    compiler: GrammarCompiler, place: str
) -> None:
    schema = AnswerSchema.of_text(json.dumps(REFUSED[place]))
    with pytest.raises(SchemaRefused, match=f"cannot be used: {place}"):
        grammar_for(schema.schema, compiler)


def test_an_object_gets_no_properties_that_nobody_named(
    compiler: GrammarCompiler, pocket_s: LlamaModel
) -> None:
    schema: Any = {"type": "object", "properties": {"a": {"enum": [1]}}}
    for seed in range(20):
        grammar, _ = grammar_for(schema, compiler)
        assert json.loads(walk(grammar, pocket_s, Random(seed)) or "{}") in ({}, {"a": 1})


def test_a_pattern_is_enforced_but_for_what_looks_around(
    compiler: GrammarCompiler, pocket_s: LlamaModel
) -> None:
    schema = AnswerSchema({"type": "string", "pattern": "^(?!b)[abc]{2}$"})
    for seed in range(20):
        grammar, [notice] = grammar_for(schema.schema, compiler)
        answer = json.loads(walk(grammar, pocket_s, Random(seed)) or "")
        assert len(answer) == 2 and set(answer) <= set("abc") and "#/pattern" in notice


def test_names_that_nothing_describes_in_the_grammar_are_not_forbidden(
    compiler: GrammarCompiler, pocket_s: LlamaModel
) -> None:
    schema = AnswerSchema(CHECKED["#/patternProperties"])
    found = set()
    for seed in range(20):
        grammar, _ = grammar_for(schema.schema, compiler)
        found |= {walk(grammar, pocket_s, Random(seed))}
    assert any(answer and len(answer) > 4 for answer in found)


@pytest.mark.parametrize("least", [1, 3])
def test_of_many_names_none_is_counted(compiler: GrammarCompiler, least: int) -> None:
    names = {f"p{number}": {"type": "integer"} for number in range(300)}
    schema = {"type": "object", "properties": names, "additionalProperties": False}
    _, [notice] = grammar_for({**schema, "minProperties": least}, compiler)
    assert "#/minProperties cannot be enforced" in notice


def test_a_schema_that_is_nested_too_deeply_is_refused(compiler: GrammarCompiler) -> None:
    schema: Any = {"type": "integer"}
    for _ in range(200):
        schema = {"items": schema}
    with pytest.raises(SchemaRefused, match="nested too deeply"):
        grammar_for(AnswerSchema(schema).schema, compiler)


@pytest.mark.parametrize(
    "seeds", [range(100), pytest.param(range(100, 600), marks=pytest.mark.slow)]
)
def test_random_schemas_are_refused_by_name_or_followed(
    compiler: GrammarCompiler, pocket_s: LlamaModel, seeds: range
) -> None:
    num_fitting = num_refused = 0
    for seed in seeds:
        rng = Random(seed)
        text = json.dumps(random_schema(rng))
        try:
            schema = AnswerSchema.of_text(text)
            grammar, notices = grammar_for(schema.schema, compiler)
        except SchemaRefused as refused:
            assert "#" in refused.message, text
            num_refused += 1
            continue
        answer = walk(grammar, pocket_s, rng)
        problem = None if answer is None else schema.problem(answer)
        assert problem is None or notices or is_about_a_format(problem), (text, answer, problem)
        num_fitting += answer is not None and problem is None
    assert num_fitting > len(seeds) / 2 and num_refused < len(seeds) / 5
