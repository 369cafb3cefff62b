"""The JSON schema of an answer: is it one, and does a finished answer fit?

Does not know models, nor how an answer is kept to its schema while it is written. No other file
imports jsonschema_rs, whose regular expressions are those of JavaScript, with a limit on
backtracking, and which fetches nothing.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

from tierchat.errors import SchemaRefused
from tierchat.gates.endless_references import endless_reference
from tierchat.gates.schema_parts import (
    Part,
    Schema,
    expanded_size,
    found,
    parts,
    pointer,
    without,
)

_MAX_BACKTRACKS = 100_000
_MAX_SHOWN = 200
# How many schemas a value is checked against when all references are followed.
_MAX_EXPANDED = 100_000
# They have `items` as a list, and `exclusiveMinimum` as a boolean.
_OLDER = ("http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema#")
# Formats that are checked; any other name is a remark.
FORMATS = frozenset(
    "date date-time time duration email idn-email hostname idn-hostname ipv4 ipv6 uri "
    "uri-reference iri iri-reference uri-template uuid json-pointer relative-json-pointer "
    "regex".split()
)
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_HINT = "see https://json-schema.org/understanding-json-schema"


class AnswerSchema:
    """A schema that answers are checked against; `notices` say what of it has no effect."""

    def __init__(self, schema: Schema) -> None:
        """Raises SchemaRefused that names the part which is wrong."""
        self.schema = schema
        self.notices: tuple[str, ...] = ()
        self._validator = self._built(schema)
        _refuse_endless(self.schema)
        self.notices += tuple(
            f"schema: {part.pointer}: the format {part.value!r} is unknown and ignored"
            for part in parts(self.schema)
            if part.keyword == "format" and part.value not in FORMATS
        )

    @classmethod
    def of_text(cls, text: str | bytes) -> AnswerSchema:
        """Read a schema from JSON text."""
        try:
            schema = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise SchemaRefused(f"the schema is not JSON: {error}", _HINT) from error
        except RecursionError as error:
            raise SchemaRefused("the schema is nested too deeply", "flatten it") from error
        return cls(schema)

    def problem(self, answer: str) -> str | None:
        """Return why an answer does not fit; None if it fits."""
        import jsonschema_rs

        try:
            # Numbers may be longer than a float can hold.
            value = json.loads(answer, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            return f"it is not complete JSON: {error}"
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return f"at {pointer(tuple(error.instance_path))}: {_shortened(error.message)}"
        except ValueError as error:
            return f"it cannot be checked: {_shortened(error)}"
        return None

    def _built(self, schema: Schema) -> Any:
        import jsonschema_rs

        if not isinstance(schema, dict | bool):
            raise SchemaRefused("a JSON schema is an object, true or false", _HINT)
        if schema is False:
            raise SchemaRefused("#: the schema `false` allows no answer", _HINT)
        try:
            size = expanded_size(schema)
        except RecursionError as error:
            raise SchemaRefused("the schema is nested too deeply", "flatten it") from error
        if size > _MAX_EXPANDED:
            raise SchemaRefused(
                f"#: with all references followed, a value is checked against more than "
                f"{_MAX_EXPANDED} schemas",
                "refer to the same schema less often",
            )
        if isinstance(schema, dict) and "$schema" not in schema:
            self.schema = schema = _with_dialect(schema)
        limits = jsonschema_rs.FancyRegexOptions(backtrack_limit=_MAX_BACKTRACKS)
        try:
            return jsonschema_rs.validator_for(
                schema, pattern_options=limits, validate_formats=True, offline=True
            )
        except jsonschema_rs.ValidationError as error:
            unknown = _unknown_dialect(schema, error.message)
            if unknown:
                self.notices += (
                    f"schema: {unknown.pointer}: {unknown.value!r} is unknown and ignored",
                )
                self.schema = without(schema, unknown.path)
                return self._built(self.schema)
            reference = _reference(schema, error.message)
            if reference:
                raise SchemaRefused(
                    f"{reference.pointer}: the reference {_shortened(reference.value)!r} leads "
                    "nowhere",
                    "only references inside the schema are followed; nothing is fetched",
                ) from error
            path = tuple(error.instance_path)
            place = pointer(path)
            strange = _unknown_types(found(schema, path)) if path[-1:] == ("type",) else []
            if strange:
                known = f"types are {', '.join(_TYPES)}"
                raise SchemaRefused(f"{place}: {strange[0]} is no type", known) from error
            raise SchemaRefused(f"{place}: {_shortened(error.message)}", _HINT) from error
        except ValueError as error:
            if "ecursion" in str(error):
                raise SchemaRefused("the schema is nested too deeply", "flatten it") from error
            raise SchemaRefused(f"the schema cannot be used: {error}", _HINT) from error


def _unknown_types(value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    return [_shortened(json.dumps(name)) for name in names if name not in _TYPES]


def _refuse_endless(schema: Schema) -> None:
    endless = endless_reference(schema)
    if endless:
        named = _shortened(endless.value)
        raise SchemaRefused(
            f"{endless.pointer}: an answer that follows the reference {named!r} has no end",
            "let it end: do not require a property, or allow null beside the reference",
        )


def _with_dialect(schema: dict[str, Any]) -> dict[str, Any]:
    """Name the dialect of a schema that is valid only in an older one than today's."""
    import jsonschema_rs

    for dialect in ("", *_OLDER):
        named = {"$schema": dialect, **schema} if dialect else schema
        if jsonschema_rs.meta.is_valid(named):
            return named
    return schema


def _unknown_dialect(schema: Schema, message: str) -> Part | None:
    if "meta-schema" not in message:
        return None
    return next((part for part in parts(schema) if part.keyword == "$schema"), None)


def _reference(schema: Schema, message: str) -> Part | None:
    """Find the reference that an error message is about."""
    for part in parts(schema):
        if part.keyword in ("$ref", "$dynamicRef") and str(part.value).lstrip("#") in message:
            return part
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _shortened(text: object) -> str:
    """Leave out the middle of a text that is long; what is wrong mostly stands at the end."""
    shown, half = str(text), _MAX_SHOWN // 2
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:half]} … {shown[-half:]}"
