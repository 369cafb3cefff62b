"""Schemas of answers: read, refused with the part named, and kept by an answer or not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tierchat.errors import SchemaRefused
from tierchat.gates.answer_schema import AnswerSchema


def read(schema: object) -> AnswerSchema:
    return AnswerSchema.of_text(json.dumps(schema))


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"properties": {"a": {"type": 5}}}, "#/properties/a/type"),
        ({"items": {"minLength": -1}}, "#/items/minLength"),
        ({"properties": {"a/b": {"pattern": "["}}}, "#/properties/a~1b/pattern"),
        ({"$ref": "#/$defs/Nope"}, "'#/$defs/Nope'"),
        ({"properties": {"x": {"$ref": "https://example.com/x.json"}}}, "#/properties/x/$ref"),
        ({"properties": {"x": {"$ref": "https://example.com/x.json"}}}, "'https://example.com"),
        ({"anyOf": [{"$ref": "other.json#/a"}]}, "#/anyOf/0/$ref"),
        (False, "#: the schema `false`"),
        (5, "object, true or false"),
        ({"type": "object", "required": "a"}, "#/required"),
        ({"items": {"type": "any"}}, '#/items/type: "any" is no type'),
        ({"type": ["string", "STRING"]}, '#/type: "STRING" is no type'),
        ({"type": []}, "#/type: "),
        ({"allOf": 5}, "#/allOf: 5"),
        ({"type": "array", "minItems": 1, "anyOf": 5, "prefixItems": {}}, "#/anyOf: 5"),
        ({"$ref": "#"}, "#/$ref: an answer"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "#/$defs/a/$ref"),
        (
            {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}},
            "#/properties/n/$ref: an answer that follows the reference '#' has no end",
        ),
        ({"type": "array", "minItems": 1, "items": {"$ref": "#"}}, "#/items/$ref"),
        ({"properties": {"p": {"$ref": "#/properties/p"}}}, "#/properties/p/$ref"),
        ({"allOf": [{"$ref": "#"}], "type": "boolean"}, "#/allOf/0/$ref"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_part_named(schema: object, named: str) -> None:
    with pytest.raises(SchemaRefused) as refused:
        read(schema)
    assert named in refused.value.message and len(refused.value.message) < 500
    assert refused.value.param == "response_format"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["object", "null"], "required": ["n"], "properties": {"n": {"$ref": "#"}}},
        {"type": "object", "required": ["n"], "properties": {"n": {"items": {"$ref": "#"}}}},
        {"type": "array", "minItems": 1, "items": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        {"type": "array", "minItems": 1, "prefixItems": [True], "items": {"$ref": "#"}},
        {"anyOf": [{"$ref": "#"}, {"type": "integer"}]},
        {
            "components": {"A": {"properties": {"a": {"$ref": "#/components/A"}}}},
            "$ref": "#/components/A",
        },
        {"$ref": "#x", "$defs": {"x": {"$anchor": "x", "type": "null"}}},
    ],
)
def test_a_reference_to_the_root_that_can_end_is_followed(schema: object) -> None:
    read(schema)


@pytest.mark.parametrize("text", ["{", "", '"\\ud83d"', "[" * 5000, '{"items":' * 900 + "1"])
def test_a_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(SchemaRefused):
        AnswerSchema.of_text(text)


@pytest.mark.parametrize(
    ("schema", "answer", "named"),
    [
        ({"properties": {"n": {"multipleOf": 7}}}, '{"n": 8}', "#/n"),
        ({"not": {"type": "string"}}, '"a"', "#: "),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, '{"a": 1}', "b"),
        ({"items": {"pattern": "^(?=.*a).*$"}}, '["b"]', "#/0"),
        ({"uniqueItems": True}, "[1, 1]", "#: "),
        ({"format": "idn-email"}, '"x"', "idn-email"),
        ({"pattern": "^\\d+$"}, '"٣"', "#: "),
        ({"type": "integer"}, "12,", "not complete JSON"),
        ({"type": "object"}, '{"a": "b', "not complete JSON"),
        (True, "", "not complete JSON"),
    ],
)
def test_a_misfit_is_told_with_its_place(schema: Any, answer: str, named: str) -> None:
    assert named in (read(schema).problem(answer) or "fits")


def test_an_answer_that_fits_has_no_problem() -> None:
    schema = {"type": "object", "properties": {"ключ": {"enum": ["grün", "🎉"]}}}
    assert read(schema).problem('{"ключ": "🎉", "more": 1}') is None
    assert read({"pattern": "^\\p{L}+$"}).problem('"grün"') is None
    assert read({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}).problem("null") is None


def test_what_is_unknown_is_said_and_ignored() -> None:
    schema = read({"$schema": "https://example.com/s", "items": {"format": "colour"}})
    assert schema.problem('["x"]') is None
    assert ["'https://example.com/s'" in n or "'colour'" in n for n in schema.notices] == [True] * 2


def test_no_schema_takes_long_to_check() -> None:
    names: dict[str, Any] = {
        f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(50)
    }
    names["d50"] = {"type": "null"}
    with pytest.raises(SchemaRefused, match="references"):
        read({"$defs": names, "$ref": "#/$defs/d0"})
    began_s = time.monotonic()
    assert read({"pattern": "^(a+)+(?=b)$"}).problem(json.dumps("a" * 5000 + "!"))
    with pytest.raises(SchemaRefused, match="pattern"):
        read({"pattern": "^((a{1,1000}){1,1000}){1,1000}$"})
    assert time.monotonic() - began_s < 10
