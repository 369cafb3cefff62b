"""References of a JSON schema that never end: no finite answer could follow them.

Pure; does not know grammars or answers.
"""

from __future__ import annotations

from typing import Any

from tierchat.gates.schema_parts import Part, Schema, parts, schemas, target

# With one of these among its types, a value may be no object and no array.
_PLAIN = {"null", "boolean", "integer", "number", "string"}


def endless_reference(schema: Schema) -> Part | None:
    """Return the first reference to a schema of which every answer would be endless.

    The schema must be valid.
    """
    # At first everything may be endless; a schema is not once nothing that it needs is. What
    # stands beside all known keywords, as in OpenAPI, is taken to end.
    waiting = [one for _, one in schemas(schema)][::-1]
    endless = {id(one) for one in waiting}
    is_shrinking = True
    while is_shrinking:
        before = len(waiting)
        for one in waiting:
            if _ends(one, schema, endless):
                endless.discard(id(one))
        waiting = [one for one in waiting if id(one) in endless]
        is_shrinking = len(waiting) < before
    for part in parts(schema):
        if part.keyword == "$ref" and id(target(schema, part.value)) in endless:
            return part
    return None


def _ends(one: dict[str, Any], schema: Schema, endless: set[int]) -> bool:
    """Whether one answer at least comes to an end, as far as the schemas inside are known."""
    if "$ref" in one and id(target(schema, one["$ref"])) in endless:
        return False
    if any(id(each) in endless for each in one.get("allOf", ())):
        return False
    for choice in ("anyOf", "oneOf"):
        if choice in one and all(id(each) in endless for each in one[choice]):
            return False
    types = one.get("type", [*_PLAIN])
    types = {types} if isinstance(types, str) else {*types}
    if types & _PLAIN or "enum" in one or "const" in one:
        return True
    needs = []
    if "object" in types:
        named, other = one.get("properties", {}), one.get("additionalProperties")
        needs.append([named.get(name, other) for name in one.get("required", ())])
    if "array" in types:
        needs.append(_needed_items(one))
    return any(all(id(each) not in endless for each in needed) for needed in needs)


def _needed_items(one: dict[str, Any]) -> list[Any]:
    items, least = one.get("items"), int(one.get("minItems", 0))
    first = one.get("prefixItems", items)
    first = first if isinstance(first, list) else []
    return [*first[:least], *([items] if least > len(first) else [])]
