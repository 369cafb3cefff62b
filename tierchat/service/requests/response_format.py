"""The form of an answer that a request asks for, as OpenAI and llama-server write it.

Does not know what schemas mean: the model's worker reads and refuses them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tierchat.errors import InvalidRequest
from tierchat.types import MAX_SCHEMA_CHARS

_AnySchema = dict[str, Any] | bool
_ANY_OBJECT: _AnySchema = {"type": "object"}


class _Named(msgspec.Struct):
    """OpenAI's `json_schema`; its `name`, `description` and `strict` change nothing here."""

    schema: _AnySchema | None = None


class ResponseFormat(msgspec.Struct):
    """OpenAI's `response_format`; llama-server's clients write `schema` directly into it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Named | None = None
    schema: _AnySchema | None = None


def schema_of(asked: ResponseFormat | None, json_schema: str | _AnySchema | None) -> str | None:
    """Return the JSON text of the schema that a request asks for; None where it asks for text.

    `json_schema` is the field of llama-server and of tierchat's own client: a schema, or its text.
    Raises InvalidRequest where there is none, or one that is too long.
    """
    text = _found(asked, json_schema)
    return _checked(text, "response_format" if json_schema is None else "json_schema")


def schema_text(schema: _AnySchema, field: str) -> str:
    """Return the JSON text of a schema; raises InvalidRequest naming `field` if it is too long."""
    text = _text(schema)
    _checked(text, field)
    return text


def _checked(text: str | None, field: str) -> str | None:
    if text is not None and len(text) > MAX_SCHEMA_CHARS:
        raise InvalidRequest(
            f"the JSON schema has {len(text):,} characters, more than {MAX_SCHEMA_CHARS:,}",
            "shorten it, with $defs for what comes twice",
            param=field,
        )
    return text


def _found(asked: ResponseFormat | None, json_schema: str | _AnySchema | None) -> str | None:
    if json_schema is not None:
        return json_schema if isinstance(json_schema, str) else _text(json_schema)
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return _text(_ANY_OBJECT if asked.schema is None else asked.schema)
    schema = asked.json_schema.schema if asked.json_schema else asked.schema
    if schema is None:
        raise InvalidRequest(
            "response_format of type json_schema has no schema",
            'write {"type": "json_schema", "json_schema": {"name": ..., "schema": {...}}}',
            param="response_format.json_schema.schema",
        )
    return _text(schema)


def _text(schema: _AnySchema) -> str:
    return msgspec.json.encode(schema).decode()
