"""`--schema`: reads a JSON schema, also in short form, and checks answers against it.

Does not know models or terminals.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from tierchat.errors import UsageError

_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
}
_FIELD = re.compile(r"(\w+)(?:\s+(\[?)(\w+)\]?)?(?:\s*:\s*(.+))?")
_SHORT = 'in short: "name, age int, tags [str]"'


def read_schema(text: str) -> dict[str, Any]:
    """Read a schema given as JSON, as the name of a .json file, or in short form.

    Raises UsageError for anything else.
    """
    bare = text.strip()
    path = Path(os.path.expanduser(bare))
    if bare.startswith("{"):
        return _parsed(bare, "--schema")
    if path.suffix == ".json":
        try:
            return _parsed(path.read_text("utf-8"), str(path))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8 text") from error
    return _from_short(bare)


def problem(answer: str, schema: dict[str, Any]) -> str | None:
    """Return why an answer does not fit its schema; None if it fits."""
    from jsonschema import ValidationError, validate

    try:
        validate(msgspec.json.decode(answer), schema)
    except msgspec.DecodeError as error:
        return f"it is not JSON: {error}"
    except ValidationError as error:
        return str(error.message)
    return None


def _parsed(text: str, where: str) -> dict[str, Any]:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        schema: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        validator_for(schema).check_schema(schema)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{where} is not a JSON object: {error}", _SHORT) from error
    except SchemaError as error:
        raise UsageError(f"{where} is not a JSON schema: {error.message}", _SHORT) from error
    return schema


def _from_short(text: str) -> dict[str, Any]:
    """Turn `name, age int: in years, tags [str]` into a schema of an object."""
    properties: dict[str, Any] = {}
    for part in filter(str.strip, re.split(r"[,\n]", text)):
        found = _FIELD.fullmatch(part.strip())
        kind = _TYPES.get((found[3] or "str") if found else "")
        if found is None or kind is None:
            raise UsageError(
                f"--schema: {part.strip()!r} is not a field",
                f"types: str, int, float, bool, [str]; {_SHORT}",
            )
        field: dict[str, Any] = {"type": kind}
        if found[2]:
            field = {"type": "array", "items": field}
        if found[4]:
            field["description"] = found[4]
        properties[found[1]] = field
    if not properties:
        raise UsageError("--schema is empty", _SHORT)
    return {"type": "object", "properties": properties, "required": list(properties)}
