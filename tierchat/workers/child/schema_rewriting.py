"""Writes parts of a schema in words that a grammar understands, or leaves them to the check.

Pure; does not know grammars. Every answer that fits the schema fits what is made of it.
"""

from __future__ import annotations

import re
from typing import Any

from tierchat.gates.schema_parts import Part, Path, Schema, changed, found, parts, target
from tierchat.workers.child.loose_pattern import without_lookaround

# A grammar counts remainders with one state for each of them.
_MAX_REMAINDERS = 10_000
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
        if part.keyword not in ("$schema", "propertyNames"):
            checked.append(part)
    return schema, checked


def _instead(schema: Schema, part: Part) -> dict[str, Any] | None:
    """Return other values for a part's keyword and those beside it; None to leave all as it is."""
    value: Any = part.value
    match part.keyword:
        case "multipleOf" if value > _MAX_REMAINDERS:
            return {"multipleOf": None}
        case "const" | "enum" if _is_inexact(value):
            return {part.keyword: None}
        case "pattern" if (loose := without_lookaround(value)) != value:
            return {"pattern": loose}
        case "$schema" if "/draft" not in value:
            return {"$schema": None}
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
