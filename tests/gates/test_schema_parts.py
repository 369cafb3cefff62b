"""Parts of a schema: found with their places, taken out of copies, counted."""

from __future__ import annotations

from typing import Any

from tierchat.gates.schema_parts import closed, expanded_size, parts, without

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"a/b": {"type": "string", "pattern": "x"}, "tags": {"items": {"enum": [1]}}},
    "required": ["a/b"],
    "default": {"pattern": "no keyword"},
}


def test_every_keyword_has_a_place_and_values_are_not_searched_for_keywords() -> None:
    found = [part.pointer for part in parts(PERSON)]
    assert found == [
        *("#/type", "#/properties", "#/required", "#/default"),
        *("#/properties/a~1b/type", "#/properties/a~1b/pattern"),
        *("#/properties/tags/items", "#/properties/tags/items/enum"),
    ]
    assert [part.pointer for part in parts({"anyOf": [True, {"not": {"type": "null"}}]})] == [
        *("#/anyOf", "#/anyOf/1/not", "#/anyOf/1/not/type"),
    ]
    assert list(parts(True)) == []


def test_a_part_is_taken_out_of_a_copy() -> None:
    rest = without(PERSON, ("properties", "a/b", "pattern"))
    assert isinstance(rest, dict)
    assert rest["properties"]["a/b"] == {"type": "string"}
    assert PERSON["properties"]["a/b"]["pattern"] == "x"


def test_objects_are_closed_where_nothing_else_adds_to_them() -> None:
    inner = {"type": "object", "properties": {"x": {}}}
    tight = closed({"type": "array", "items": inner})
    assert tight == {"type": "array", "items": {**inner, "additionalProperties": False}}
    for open_one in (
        {"type": "object"},
        {**inner, "additionalProperties": True},
        {**inner, "patternProperties": {"^y": {}}},
        {**inner, "required": ["z"]},
        {**inner, "anyOf": [{"required": ["x"]}]},
        {"allOf": [inner, {"properties": {"y": {}}}]},
    ):
        assert closed(open_one) is open_one


def test_references_that_multiply_are_counted_without_following_each() -> None:
    names = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(60)}
    names["d60"] = {"anyOf": []}
    assert expanded_size({"$defs": names, "$ref": "#/$defs/d0"}) > 2**60
    tree = {"$defs": {"T": {"anyOf": [{"items": {"$ref": "#/$defs/T"}}] * 2}}, "$ref": "#/$defs/T"}
    assert expanded_size(tree) < 10
    assert expanded_size({"$ref": "#"}) < 10 and expanded_size({"$ref": "https://x.org"}) < 10
