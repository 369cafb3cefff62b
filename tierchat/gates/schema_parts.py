"""The parts of a JSON schema: where its keywords stand, and copies without some of them.

Does not know what keywords mean, models or answers. Places are JSON pointers such as
`#/properties/name/pattern` (RFC 6901, as URI fragments).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

# A schema is an object, or `true` or `false`.
Schema = dict[str, Any] | bool
Path = tuple[str | int, ...]
# Keywords whose value is a schema, a list of schemas, or schemas by name.
_SCHEMAS = (
    *("additionalProperties", "unevaluatedProperties", "propertyNames", "not", "if", "then"),
    *("else", "items", "additionalItems", "unevaluatedItems", "contains"),
)
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_BY_NAME = (
    *("properties", "patternProperties", "$defs", "definitions"),
    *("dependentSchemas", "dependencies"),
)
_CHOICES = ("allOf", "anyOf", "oneOf")
# Keywords whose schemas are for the same value.
_IN_PLACE = ("not", "if", "then", "else")
# Keywords that join an object with properties which another schema names.
_JOINS = (
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "if",
    "dependentSchemas",
)


@dataclass(frozen=True)
class Part:
    """One keyword of a schema, with the way to it from the root."""

    path: Path
    value: Any

    @property
    def keyword(self) -> str:
        return str(self.path[-1])

    @property
    def pointer(self) -> str:
        return pointer(self.path)


def pointer(path: Path) -> str:
    """Write a way from the root as a JSON pointer."""
    return "#" + "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def parts(schema: Schema) -> Iterator[Part]:
    """Yield every keyword of a schema and its subschemas, those of the root first."""
    for path, one in schemas(schema):
        for keyword, value in one.items():
            yield Part((*path, keyword), value)


def without(schema: Schema, path: Path) -> Schema:
    """Return a copy of a schema without the keyword at `path`."""
    return changed(schema, path[:-1], {path[-1]: None})


def changed(schema: Schema, path: Path, keywords: Mapping[Any, Any]) -> Schema:
    """Return a copy whose subschema at `path` has other values of keywords; None takes one out."""
    copy: Any = _copied(schema, (*path, ""))
    place = copy
    for step in path:
        place = place[step]
    for keyword, value in keywords.items():
        if value is None:
            place.pop(keyword, None)
        else:
            place[keyword] = value
    return copy  # type: ignore[no-any-return]


def found(schema: Schema, path: Path) -> Any:
    """Return what stands at `path`."""
    place: Any = schema
    for step in path:
        place = place[step]
    return place


def closed(schema: Schema) -> Schema:
    """Return a copy whose objects have no other properties than those that are named.

    JSON schema allows any others unless it is told not to; small models go on inventing them. All
    answers that fit the copy fit the schema. An object stays as it is where other schemas may add
    to its properties.
    """
    if any(_joins(one) for _, one in schemas(schema)):
        return schema
    for path, one in schemas(schema):
        names = one.get("properties")
        is_open = not any(key in one for key in ("additionalProperties", "patternProperties"))
        if (
            isinstance(names, dict)
            and names
            and is_open
            and set(one.get("required", ())) <= {*names}
        ):
            schema = changed(schema, path, {"additionalProperties": False})
    return schema


def expanded_size(schema: Schema) -> int:
    """Count the schemas that apply to one value when local references are followed.

    A reference to a schema that encloses it counts once.
    """
    sizes: dict[int, int] = {}

    def size(one: Any) -> int:
        if not isinstance(one, dict):
            return 1
        if id(one) not in sizes:
            sizes[id(one)] = 1
            inner = [one[key] for key in _IN_PLACE if key in one]
            inner += [each for key in _CHOICES for each in _listed(one.get(key))]
            inner += [target(schema, one["$ref"])] if "$ref" in one else []
            sizes[id(one)] = 1 + sum(size(each) for each in inner)
        return sizes[id(one)]

    return max((size(one) for _, one in schemas(schema)), default=1)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def target(schema: Any, reference: object) -> Any:
    """Follow a reference such as `#/$defs/name`; True where it leads elsewhere."""
    root, _, rest = str(reference).partition("/")
    if root != "#":
        return True
    for step in rest.split("/") if rest else ():
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list) and name.isdecimal() and int(name) < len(schema):
            schema = schema[int(name)]
        elif isinstance(schema, dict) and name in schema:
            schema = schema[name]
        else:
            return True
    return schema


def _joins(one: dict[str, Any]) -> bool:
    is_lone = len(one.get("allOf", ())) == 1 and "properties" not in one
    if "allOf" in one and not is_lone:
        return True
    return "properties" in one and any(keyword in one for keyword in _JOINS)


def schemas(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield all subschemas that are objects, outer ones first."""
    waiting: list[tuple[Path, Any]] = [(path, schema)]
    for path, one in waiting:
        if not isinstance(one, dict):
            continue
        yield path, one
        for keyword, value in one.items():
            here = (*path, keyword)
            if keyword in _BY_NAME and isinstance(value, dict):
                waiting += [((*here, name), each) for name, each in value.items()]
            elif keyword in _LISTS and isinstance(value, list):
                waiting += [((*here, index), each) for index, each in enumerate(value)]
            elif keyword in _SCHEMAS:
                waiting.append((here, value))


def _copied(value: Any, path: Path) -> Any:
    """Copy the objects and lists on the way to `path`; what lies beside it is shared."""
    if not path:
        return value
    copy = value.copy()
    if len(path) > 1:
        copy[path[0]] = _copied(value[path[0]], path[1:])
    return copy
