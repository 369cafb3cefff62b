"""Writes parts of a schema in words that a grammar understands, or leaves them to the check.

Pure; does not know grammars. Every answer that fits the schema fits what is made of it.
"""

from __future__ import annotations

import re
from typing import Any

from tierchat.gates.schema_parts import Part, Path, Schema, changed, found, parts, target
from tierchat.workers.child.loose_pattern import plain_classes, without_lookaround

# A grammar counts remainders with one state for each of them.
_MAX_REMAINDERS = 10_000
# A grammar that counts properties grows with the square of their number.
_MAX_COUNTED_NAMES = 100
# Whole numbers, which some libraries write as 5.0.
_WHOLE = {
    *("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"),
    "maxProperties",
}
# Beyond 64 bits a grammar takes a bound for another one.
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_MAX_BOUND = 2**63
# The older drafts under an address that grammars do not know.
_SECURE_DRAFT = re.compile(r"https://json-schema\.org/draft-0\d/schema#?$")
_NAMES = {"enum", "const", "pattern"}
_REMARKS = {"type", "title", "description"}
_DESCRIBED = {"properties", "patternProperties", "required"}


def rewritten(schema: Schema) -> tuple[Schema, list[Part]]:
    """Return the schema for the grammar, and the parts that only the finished answer can fit."""
    checked: list[Part] = []
    for part in list(parts(schema)):
        keywords = _instead(schema, part)
        if keywords is None:
            continue
        schema = changed(schema, part.path[:-1], keywords)
        if not _is_exact(part, keywords):
            checked.append(part)
    return schema, checked


def _is_exact(part: Part, keywords: dict[str, Any]) -> bool:
    """Whether the new keywords ask for the same answers as the old ones."""
    match part.keyword:
        case "$schema" | "propertyNames":
            return True
        case "pattern":
            return bool(without_lookaround(part.value) == part.value)
        case "minProperties":
            return "required" in keywords
    return part.keyword in _WHOLE


def _instead(schema: Schema, part: Part) -> dict[str, Any] | None:
    """Return other values for a part's keyword and those beside it; None to leave all as it is."""
    value: Any = part.value
    match part.keyword:
        case "multipleOf" if value > _MAX_REMAINDERS:
            return {"multipleOf": None}
        case "const" | "enum" if _is_inexact(value):
            return {part.keyword: None}
        case "pattern" if (loose := plain_classes(without_lookaround(value))) != value:
            return {"pattern": loose}
        case "$schema" if "/draft" not in value:
            return {"$schema": None}
        case "$schema" if _SECURE_DRAFT.match(value):
            return {"$schema": value.replace("https", "http", 1).rstrip("#") + "#"}
        case "minProperties":
            return _by_required(found(schema, part.path[:-1]), int(value))
        case keyword if keyword in _BOUNDS and not isinstance(value, bool):
            return {keyword: None} if abs(value) >= _MAX_BOUND else None
        case keyword if keyword in _WHOLE and isinstance(value, float):
            return {keyword: int(value)}
        case "propertyNames":
            return _by_pattern(schema, part.path[:-1], value)
    return None


def _is_inexact(value: object) -> bool:
    """Whether a value has a number that loses digits as a float, as long ones do in grammars."""
    if isinstance(value, dict):
        return any(_is_inexact(each) for each in value.values())
    if isinstance(value, list):
        return any(_is_inexact(each) for each in value)
    is_long = isinstance(value, int) and not -(2**63) <= value < 2**64
    return is_long and int(float(value)) != value  # type: ignore[arg-type]


def _by_required(one: Any, least: int) -> dict[str, Any] | None:
    """Say which properties there must be: of those with names, a grammar counts only one more."""
    names, required = one.get("properties"), one.get("required", [])
    if not isinstance(names, dict) or least <= len(required):
        return None
    if len(names) > _MAX_COUNTED_NAMES:
        return {"minProperties": None}
    if least == len(required) + 1:
        return None
    is_closed = one.get("additionalProperties") is False and not one.get("patternProperties")
    if is_closed and least >= len(names):
        # As many as there are; more than that no grammar allows.
        return {"required": [*names], "minProperties": None} if least == len(names) else None
    return {"minProperties": len(required) + 1}


def _by_pattern(schema: Schema, path: Path, names: Any) -> dict[str, Any] | None:
    """Write `propertyNames` as `patternProperties`, where nothing else names properties."""
    one = found(schema, path)
    if isinstance(names, dict) and "$ref" in names:
        names = target(schema, names["$ref"])
    said = {*names} - _REMARKS if isinstance(names, dict) else set()
    if len(said) != 1 or not said <= _NAMES or _DESCRIBED & {*one}:
        return None
    choices = names.get("enum", [names.get("const")])
    pattern = names.get("pattern") or f"^({'|'.join(_escaped(name) for name in choices)})$"
    return {
        "propertyNames": None,
        "patternProperties": {pattern: one.get("additionalProperties", True)},
        "additionalProperties": False,
    }


def _escaped(name: object) -> str:
    return re.sub(r"[\\^$.|?*+()[\]{}]", r"\\\g<0>", str(name))
