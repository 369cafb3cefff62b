"""What a value may be, in words: "a number from 0 to 10" instead of "float | null".

Does not know files, options or requests; it reads the types of structs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import inspect

_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]")
# Messages that name more than a type: they are kept as they are.
_TELLING = re.compile(r"^(Object (contains|missing)|Expected `str` matching)")


def place_and_message(error: msgspec.ValidationError) -> tuple[str, str]:
    """Split msgspec's message into the place, such as `stop[0]`, and what is wrong."""
    message, _, place = str(error).partition(" - at `$")
    return place.rstrip("`").removeprefix("."), message


def wrong(error: msgspec.ValidationError, kind: object) -> str:
    """Say what the value should have been: `must be a number from 0 to 10`."""
    place, message = place_and_message(error)
    return corrected(message, kind, _steps(place))


def corrected(message: str, kind: object, steps: Sequence[str]) -> str:
    """Put what a value must be in place of msgspec's message, unless that tells more."""
    words = None if _TELLING.match(message) else expectation(kind, steps)
    return f"must be {words}" if words else message


def known_names(error: msgspec.ValidationError, kind: object) -> tuple[str, tuple[str, ...]]:
    """Return the unknown field that an error is about, or "", and the fields that are known."""
    place, message = place_and_message(error)
    found = re.match(r"Object contains unknown field `(.+)`$", message, re.DOTALL)
    struct: inspect.Type | None = inspect.type_info(kind)
    for step in _steps(place):
        struct = _inside(struct, step) if struct else None
    if not found or not isinstance(struct, inspect.StructType):
        return "", ()
    return found[1], tuple(field.encode_name for field in struct.fields)


def expectation(kind: object, steps: Sequence[str] = ()) -> str | None:
    """Describe what may stand at `steps` inside a type; None where there are no words for it.

    A step is the name of a field, a key of a dictionary or the number of an item.
    """
    found: inspect.Type | None = inspect.type_info(kind)
    for step in steps:
        found = _inside(found, step) if found else None
    return _words(found) if found else None


def _steps(place: str) -> list[str]:
    return [name or index for name, index in _STEP.findall(f".{place}" if place else "")]


def _inside(kind: inspect.Type, step: str) -> inspect.Type | None:
    for choice in _choices(kind):
        match choice:
            case inspect.StructType(fields=fields):
                named = (field.type for field in fields if field.encode_name == step)
                return next(named, None)
            case inspect.DictType(value_type=value):
                return value
            case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
                return item
    return None


def _words(kind: inspect.Type) -> str | None:
    described = [words for choice in _choices(kind) if (words := _words_of_one(choice))]
    return " or ".join(described) or None


def _words_of_one(kind: inspect.Type) -> str | None:
    match kind:
        case inspect.FloatType():
            return f"a number{_bounds(kind)}"
        case inspect.IntType() if kind.ge is not None and kind.ge == kind.le:
            return str(kind.ge)
        case inspect.IntType():
            return f"a whole number{_bounds(kind)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])
        case inspect.StrType():
            return f"a text{_length(kind.min_length, kind.max_length, 'characters')}"
        case inspect.ListType() | inspect.VarTupleType():
            return f"a list{_length(kind.min_length, kind.max_length, 'items')}"
        case inspect.StructType() | inspect.DictType():
            return "an object"
    return None


def _choices(kind: inspect.Type) -> list[inspect.Type]:
    """Return the types of a union without null, which stands for a value that is left out."""
    if isinstance(kind, inspect.UnionType):
        return [choice for choice in kind.types if not isinstance(choice, inspect.NoneType)]
    if isinstance(kind, inspect.Metadata):
        return _choices(kind.type)
    return [kind]


def _bounds(kind: inspect.FloatType | inspect.IntType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {_plain(kind.ge)} to {_plain(kind.le)}"
    parts = []
    if kind.gt is not None:
        parts.append(f"above {_plain(kind.gt)}")
    if kind.ge is not None:
        parts.append(f"of at least {_plain(kind.ge)}")
    if kind.lt is not None:
        parts.append(f"below {_plain(kind.lt)}")
    if kind.le is not None:
        parts.append(f"of at most {_plain(kind.le)}")
    return f" {' and '.join(parts)}" if parts else ""


def _plain(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def _length(least: int | None, most: int | None, unit: str) -> str:
    if least and most:
        return f" of {least} to {most} {unit}"
    if least:
        return f" of at least {least} {unit}"
    return f" of at most {most} {unit}" if most else ""
