"""`--schema`: reads a JSON schema from JSON, from a file, or from its short form.

Does not know models, terminals, or how answers are checked.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from tierchat.decoding import decode_strictly
from tierchat.errors import SchemaRefused, UsageError
from tierchat.gates.answer_schema import AnswerSchema
from tierchat.types import MAX_SCHEMA_CHARS

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


def read_schema(text: str) -> str:
    """Return the JSON text of a schema given as JSON, as the name of a file, or in short form.

    Raises UsageError for anything else, naming the part that is wrong.
    """
    bare = text.strip()
    path = Path(os.path.expanduser(bare))
    if bare[:1] in ("{", "[") or bare in ("true", "false"):
        return _checked(bare, "--schema")
    is_path = path.suffix == ".json" or ("/" in bare and not re.search(r"\s", bare))
    if is_path or ("." in bare and _is_file(path)):
        try:
            return _checked(decode_strictly(path.read_bytes()), str(path))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8 text") from error
    return msgspec.json.encode(_from_short(bare)).decode()


def _checked(text: str, where: str) -> str:
    if len(text) > MAX_SCHEMA_CHARS:
        raise UsageError(
            f"{where} has {len(text):,} characters, more than {MAX_SCHEMA_CHARS:,}",
            "shorten it, with $defs for what comes twice",
        )
    try:
        AnswerSchema.of_text(text)
    except SchemaRefused as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from error
    return text


def _is_file(path: Path) -> bool:
    try:
        # Also what the shell makes of <(command).
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):
        return False


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
