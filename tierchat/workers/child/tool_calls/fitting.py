"""Fits a value to its schema where only its type is wrong.

Does not check anything: whoever asks compares the result with the schema.
"""

from __future__ import annotations

from typing import Any

from tierchat.workers.child.tool_calls.json_values import value_of, values

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("true", "yes"), True),
    **dict.fromkeys(("false", "no"), False),
    **dict.fromkeys(("null", "none", ""), None),
}
_MAX_DEPTH = 30


def fitted(value: Any, schema: Any, root: Any = None, depth: int = 0) -> Any:
    """Return a value of the type that a schema asks for, or the value itself."""
    root = schema if root is None else root
    schema = _resolved(schema, root)
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return value
    types = _types(schema, root)
    if types and not any(_is_of(value, kind) for kind in types):
        value = _converted(value, types, schema)
    if isinstance(value, dict):
        return _members(value, schema, root, depth)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [fitted(item, schema["items"], root, depth + 1) for item in value]
    return _of_enum(value, schema)


def _members(value: dict[str, Any], schema: dict[str, Any], root: Any, depth: int) -> Any:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return value
    required = schema.get("required") or ()
    found = {}
    for name, item in value.items():
        if name not in properties:
            found[name] = item
            continue
        made = fitted(item, properties[name], root, depth + 1)
        types = _types(_resolved(properties[name], root), root)
        # What is null instead of left out is left out.
        if not (made is None and types and "null" not in types and name not in required):
            found[name] = made
    return found


def _converted(value: Any, types: list[str], schema: dict[str, Any]) -> Any:
    if isinstance(value, str):
        for kind in types:
            made = _of_text(value.strip(), kind)
            if made is not None and _is_of(made, kind):
                return made
        if value.strip().casefold() in ("null", "none", ""):
            return None
    elif isinstance(value, bool):
        return str(value).lower() if "string" in types else value
    elif isinstance(value, int | float):
        if "integer" in types and isinstance(value, float) and value.is_integer():
            return int(value)
        if "string" in types:
            return str(value)
    if "array" in types and value is not None and not isinstance(value, list):
        return [value]
    return value


def _of_text(text: str, kind: str) -> Any:
    try:
        match kind:
            case "boolean":
                return _WORDS.get(text.casefold())
            case "integer" | "number":
                number = value_of(text)
                is_whole = isinstance(number, float) and number.is_integer()
                return int(number) if kind == "integer" and is_whole else number
            case "object" | "array":
                found = values(text)
                return found[0] if found else None
    except (ValueError, RecursionError):
        return None
    return None


def _of_enum(value: Any, schema: dict[str, Any]) -> Any:
    choices = schema.get("enum")
    if not isinstance(choices, list) or value in choices or not isinstance(value, str):
        return value
    near = [c for c in choices if isinstance(c, str) and c.casefold() == value.strip().casefold()]
    return near[0] if len(near) == 1 else value


def _types(schema: Any, root: Any) -> list[str]:
    """Return the types that a schema names itself or in its alternatives."""
    if not isinstance(schema, dict):
        return []
    named = schema.get("type")
    if isinstance(named, str):
        return [named]
    if isinstance(named, list):
        return [kind for kind in named if isinstance(kind, str)]
    found: list[str] = []
    for part in schema.get("anyOf") or schema.get("oneOf") or ():
        inner = _resolved(part, root)
        named = inner.get("type") if isinstance(inner, dict) else None
        if not isinstance(named, str):
            return []
        found.append(named)
    return found


def _is_of(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
    return value is None


def _resolved(schema: Any, root: Any) -> Any:
    """Follow references within the schema."""
    for _ in range(_MAX_DEPTH):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            return schema
        schema = root
        for step in filter(None, reference[1:].split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            schema = schema.get(key) if isinstance(schema, dict) else None
    return schema
