"""`response_format` and `json_schema` as clients write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tierchat.errors import InvalidRequest
from tierchat.service.openai_format import read_request

SCHEMA = {"type": "object", "properties": {"ключ": {"const": "🎉"}}}


def asked(**fields: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "x"}], **fields}
    found = read_request(json.dumps(body).encode()).prompt.sampling.json_schema
    return None if found is None else json.loads(found)


@pytest.mark.parametrize(
    "fields",
    [
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": SCHEMA},
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": SCHEMA, "strict": None},
            }
        },
        {"response_format": {"type": "json_schema", "schema": SCHEMA}},
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"json_schema": SCHEMA},
        {"json_schema": json.dumps(SCHEMA)},
        {"json_schema": SCHEMA, "response_format": {"type": "json_object"}},
    ],
)
def test_a_schema_is_found_wherever_clients_write_it(fields: Any) -> None:
    assert asked(**fields) == SCHEMA


def test_other_formats() -> None:
    assert asked(response_format={"type": "json_object"}) == {"type": "object"}
    assert asked(response_format={"type": "json_schema", "json_schema": {"schema": True}}) is True
    for fields in ({}, {"response_format": None}, {"response_format": {"type": "text"}}):
        assert asked(**fields) is None


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"type": "json_schema"}, "response_format.json_schema.schema"),
        (
            {"type": "json_schema", "json_schema": {"name": "x"}},
            "response_format.json_schema.schema",
        ),
        ({"type": "yaml"}, "response_format.type"),
        ({"type": "json_object", "schema": 5}, "response_format.schema"),
    ],
)
def test_a_format_that_asks_for_nothing_known_is_refused(value: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(response_format=value)
    assert refused.value.param == param


def test_a_schema_that_is_too_long_is_refused() -> None:
    long = {"const": "a" * 100_000}
    for fields in (
        {"json_schema": long},
        {"json_schema": json.dumps(long)},
        {"response_format": {"type": "json_object", "schema": long}},
    ):
        with pytest.raises(InvalidRequest, match=r"100,0.. characters"):
            asked(**fields)
