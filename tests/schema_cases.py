"""JSON schemas that people and libraries write, and random ones; walks that write an answer.

Each schema must work, or be refused with the part named.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tierchat.engine.grammar import Grammar
from tierchat.engine.llama.model import LlamaModel

Json = dict[str, Any]
_INTEGER: Json = {"type": "integer"}


def _object(**properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _text(**limits: Any) -> Json:
    return _object(s={"type": "string", **limits})


_NODE = _object(v=_INTEGER, next={"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]})
_DIGITS: Json = {f"p{i}": {"type": "integer", "minimum": 0, "maximum": 9} for i in range(40)}
USABLE: dict[str, Any] = {
    "reference": {
        "$defs": {"P": _object(k={"type": "string"})},
        **_object(p={"$ref": "#/$defs/P"}),
    },
    "recursive root": {"$defs": {"N": _NODE}, "$ref": "#/$defs/N"},
    "root as its own part": _object(v=_INTEGER, more={"type": "array", "items": {"$ref": "#"}}),
    "optional in pydantic": {
        "type": "object",
        "properties": {"a": {"anyOf": [_INTEGER, {"type": "null"}], "default": None}},
    },
    "enum unicode": _object(
        c={"enum": ["grün", "红", "да", "🎉🏳️‍🌈", 'say "hi"\\', "\u2028", "\x01"]}
    ),
    "enum mixed": {"enum": ["a", 1, None, True, -0.5, 1e300, {"б": [[]]}]},
    "const": {"const": {"😀": 1, 'q"q': ["\n"]}},
    "array bounds": {"type": "array", "items": _INTEGER, "minItems": 2, "maxItems": 3},
    "integer bounds": _object(n={"type": "integer", "minimum": -5, "maximum": 5}),
    "exclusive": _object(n={"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 6}),
    "number bounds": _object(n={"type": "number", "minimum": 0, "maximum": 1}),
    "multipleOf": _object(n={"type": "integer", "multipleOf": 7}),
    "length": _text(minLength=3, maxLength=5),
    "maxLength 5000": _text(maxLength=5000),
    "maxItems 1000": {"type": "array", "items": {"type": "string"}, "maxItems": 1000},
    "pattern": _text(pattern="^[A-Z]{2}-[0-9]{3}$"),
    "pattern classes": _text(pattern="^\\d{3}-\\w\\s\\D\\W\\S$"),
    "pattern unanchored": _text(pattern="[0-9]+"),
    "pattern alternatives": _text(pattern="^(ja|nein|доб|\\u{41}?x)$"),
    "format date": _text(format="date"),
    "format date-time": _text(format="date-time"),
    "format email": _text(format="email"),
    "format uuid": _text(format="uuid"),
    "format ipv6": _text(format="ipv6"),
    "map": {"type": "object", "additionalProperties": _INTEGER},
    "names by pattern": {
        "type": "object",
        "patternProperties": {"^x_": _INTEGER},
        "additionalProperties": False,
    },
    "names by list": {
        "$defs": {"K": {"enum": ["a", "б.в", 'q"']}},
        "type": "object",
        "propertyNames": {"$ref": "#/$defs/K"},
        "additionalProperties": {"type": "boolean"},
    },
    "items as a list": {"type": "array", "items": [_INTEGER, {"type": "string"}], "minItems": 2},
    "latest dialect": {"$schema": "http://json-schema.org/schema#", **_INTEGER},
    "anything": {},
    "true": True,
    "true below": _object(a=True),
    "false below": {"type": "object", "properties": {"a": False}},
    "list of types": _object(a={"type": ["string", "null"]}),
    "allOf": {"allOf": [_object(a=_INTEGER), _object(b=_INTEGER)]},
    "oneOf": {"oneOf": [_object(a=_INTEGER), {"type": "string"}]},
    "names": _object(**{"a b": _INTEGER, 'c"d': _INTEGER, "ключ": _INTEGER, "x/y🎉": _INTEGER}),
    "tuple": {"type": "array", "prefixItems": [_INTEGER, {"type": "string"}], "minItems": 2},
    "with dialect": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_object(a=_INTEGER),
        "additionalProperties": False,
    },
    "draft 4 without its name": {
        **_object(n={"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 9}),
    },
    "remarks": {**_object(a={**_INTEGER, "description": "n", "examples": [1]}), "title": "x"},
    "string": {"type": "string"},
    "integer": _INTEGER,
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "many properties": {"type": "object", "properties": _DIGITS, "required": list(_DIGITS)},
    "many optional properties": {"type": "object", "properties": _DIGITS},
    "as many names as there are": {
        **_object(a=_INTEGER, b=_INTEGER, c=_INTEGER),
        "required": [],
        "minProperties": 3,
        "additionalProperties": False,
    },
    "brackets in a class": _text(pattern="^[^[\\]]{2}[[&&~]$"),
    "draft 7 under https": {
        "$schema": "https://json-schema.org/draft-07/schema",
        "type": "array",
        "items": [_INTEGER],
        "minItems": 1,
    },
    "whole numbers with a point": _text(minLength=2.0, maxLength=5.0),
    "required without a schema": {**_object(a=_INTEGER), "required": ["a", "zz"]},
}
# By the place that is checked in the finished answer only.
CHECKED: dict[str, Any] = {
    "#/properties/s/pattern": _text(pattern="^(?=.*a).*$"),
    "#/const": {"const": {"n": [12345678901234567890123]}},
    "#/patternProperties": {
        "type": "object",
        "patternProperties": {"a": _INTEGER, "b": _INTEGER},
        "additionalProperties": False,
    },
    "#/not": {"not": {"type": "string"}},
    "#/if, #/then": {"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}},
    "#/uniqueItems": {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True},
    "#/contains": {"type": "array", "contains": {"const": 3}},
    "#/properties/s/format": _text(format="uri-reference"),
    "#/properties/n/maximum, #/properties/n/minimum": _object(
        n={"type": "integer", "maximum": 10**40, "minimum": -(10**40)}
    ),
    "#/minimum, #/maximum": {"type": "integer", "minimum": 10**30, "maximum": 10**30 + 5},
    "#/items/multipleOf": {"items": {"type": "integer", "multipleOf": 999_983}},
    "#/minProperties": {
        "type": "object",
        "properties": {name: _INTEGER for name in "abcd"},
        "minProperties": 3,
        "additionalProperties": False,
    },
    "#/oneOf": {"oneOf": [{"type": "number"}, _INTEGER]},
}
REFUSED: dict[str, Any] = {
    "#/properties/n": _object(n={"type": "integer", "minimum": 5, "maximum": 3}),
    "#/items/allOf": {
        "type": "array",
        "items": {"allOf": [{"type": "string"}, _INTEGER]},
        "minItems": 1,
    },
}

_NAMES = ("a", "b c", 'q"q', "ключ", "🎉", "a/b~c", "")
_PATTERNS = (
    *(
        "^[a-c]{1,4}$",
        "\\d+",
        "^\\w{2}\\s?$",
        "x|y",
        "^.{3}$",
        "^[^a-z]+$",
        "^(?=a).*$",
        "^(a|b)\\1$",
    ),
    *("^\\p{L}{2}$", "^$", "[0-9]{2,}$"),
)
# Those that a grammar enforces in full, one that is only checked, and one that nobody knows.
_FORMATS = ("uuid", "ipv4", "regex", "foo")


def random_schema(rng: Random, depth: int = 3) -> Any:
    """Make a valid schema out of all keywords, not always one that an answer can fit."""
    if rng.random() < 0.04:
        return rng.random() < 0.8
    kinds = [_number, _string, _const, _type_only]
    if depth:
        kinds += [_random_object, _array, _combined, _random_object, _array]
    schema: Json = rng.choice(kinds)(rng, depth - 1)
    if depth == 3:
        schema["$defs"] = {"D": random_schema(rng, 1), "R": {"items": {"$ref": "#/$defs/R"}}}
    return schema


def _some(rng: Random, choices: dict[str, Any], share: float = 0.3) -> Json:
    return {name: value for name, value in choices.items() if rng.random() < share}


def _number(rng: Random, _depth: int) -> Json:
    low = rng.choice([rng.randint(-50, 50), rng.uniform(-2, 2), -(10**12), 0])
    high = low + rng.choice([0, 1, rng.randint(0, 100), 0.5, 10**15])
    return {
        "type": rng.choice(["integer", "number", ["number", "null"]]),
        **_some(rng, {"minimum": low, "maximum": high, "exclusiveMinimum": low - 1}),
        **_some(rng, {"multipleOf": rng.choice([1, 2, 7, 0.5, 0.01, 100])}, 0.2),
    }


def _string(rng: Random, _depth: int) -> Json:
    low = rng.randint(0, 6)
    return {
        "type": "string",
        **_some(rng, {"minLength": low, "maxLength": low + rng.choice([0, 3, 40, 5000])}),
        **_some(rng, {"pattern": rng.choice(_PATTERNS)}),
        **_some(rng, {"format": rng.choice(_FORMATS)}, 0.15),
    }


def _const(rng: Random, _depth: int) -> Json:
    values = ["", "grün", "🎉", 'a"b\\', None, True, 0, -1.5, 10**20, [1, {"я": []}], {}]
    return rng.choice([{"const": rng.choice(values)}, {"enum": rng.sample(values, 3)}])


def _type_only(rng: Random, depth: int) -> Json:
    if depth < 2 and rng.random() < 0.4:
        return {"$ref": rng.choice(["#/$defs/D", "#/$defs/R", "#"])}
    names = ("null", "boolean", "integer", "number", "string", "array", "object")
    return {"type": rng.choice([*names, rng.sample(names, 2)])}


def _random_object(rng: Random, depth: int) -> Json:
    names = rng.sample(_NAMES, rng.randint(0, 4))
    properties = {name: random_schema(rng, depth) for name in names}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in names if rng.random() < 0.6],
        **_some(rng, {"additionalProperties": rng.choice([False, True, random_schema(rng, 0)])}),
        **_some(rng, {"minProperties": rng.randint(0, 3), "maxProperties": rng.randint(2, 9)}, 0.1),
        **_some(rng, {"patternProperties": {"^x": random_schema(rng, 0)}}, 0.1),
        **_some(
            rng, {"propertyNames": {"maxLength": 5}, "dependentRequired": {"a": ["ключ"]}}, 0.05
        ),
    }


def _array(rng: Random, depth: int) -> Json:
    low = rng.randint(0, 3)
    return {
        "type": "array",
        **_some(rng, {"items": random_schema(rng, depth)}, 0.8),
        **_some(rng, {"minItems": low, "maxItems": low + rng.choice([0, 1, 5, 1000])}),
        **_some(rng, {"prefixItems": [random_schema(rng, 0), random_schema(rng, 0)]}, 0.2),
        **_some(rng, {"uniqueItems": True, "contains": random_schema(rng, 0)}, 0.1),
    }


def _combined(rng: Random, depth: int) -> Json:
    keyword = rng.choice(["anyOf", "anyOf", "oneOf", "allOf", "not", "if"])
    if keyword == "not":
        return {"not": random_schema(rng, 0), **rng.choice([{}, {"type": "string"}])}
    if keyword == "if":
        return {
            **_random_object(rng, depth),
            "if": random_schema(rng, 0),
            "then": {"minProperties": 1},
        }
    return {keyword: [random_schema(rng, depth) for _ in range(rng.randint(1, 3))]}


def is_about_a_format(problem: str) -> bool:
    """Whether an answer has, say, the form of a date, but is none: grammars count no days."""
    return problem.endswith(('is not a "date"', 'is not a "date-time"', 'is not a "email"'))


def walk(grammar: Grammar, model: LlamaModel, rng: Random, max_tokens: int = 300) -> str | None:
    """Write an answer of random tokens that the grammar allows; None if it does not end."""
    closing = {token for token in range(model.vocabulary_size) if model.piece(token) in b'"}]'}
    written = b""
    for _ in range(max_tokens):
        allowed = grammar.allowed_tokens().tolist()
        near = [token for token in allowed if token in closing or model.is_end(token)]
        token = rng.choice(near if near and rng.random() < 0.6 else allowed)
        assert grammar.allows(token)
        grammar.accept(token)
        if grammar.problem:
            return None
        written += model.piece(token)
        if model.is_end(token) or grammar.is_complete:
            return written.decode()
    return None
