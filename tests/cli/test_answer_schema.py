"""Schemas: read in three forms, kept by every tier, and checked at the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import UserHome
from tierchat.cli.ask.answer_schema import problem, read_schema
from tierchat.errors import UsageError

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "description": "in years"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
}


def test_short_form_json_and_file_mean_the_same(tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    file.write_text(json.dumps(PERSON))
    for text in ("name, age int: in years, tags [str]", json.dumps(PERSON), str(file)):
        assert read_schema(text) == PERSON


@pytest.mark.parametrize(
    "text", ["", "a b c d", "x foo", "{", '{"type": 5}', "[1]", "/no/such.json", "{}x"]
)
def test_a_text_that_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_schema(text)


def test_answers_are_checked() -> None:
    assert problem('{"name": "a", "age": 3, "tags": []}', PERSON) is None
    assert "JSON" in (problem("well, ", PERSON) or "")
    assert "age" in (problem('{"name": "a", "tags": []}', PERSON) or "")


@pytest.mark.parametrize("tier", ["XS", "S", "M"])
def test_every_tier_answers_in_the_form_that_was_asked_for(warm: UserHome, tier: str) -> None:
    schema = '{"type": "object", "properties": {"ok": {"enum": ["x", "y"]}}, "required": ["ok"]}'
    found = warm.run("ask", "--tier", tier, "--schema", schema, "2+2")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["ok"] in ("x", "y")


def test_what_is_cut_short_does_not_pass(warm: UserHome) -> None:
    schema = "a str, b str, c str, d str, e str, f str"
    found = warm.run("ask", "--schema", schema, "-o", "max_tokens", "5", "2+2")
    assert found.returncode == 1


def test_a_schema_llama_cpp_cannot_use_is_a_usage_error(warm: UserHome) -> None:
    found = warm.run("ask", "--schema", '{"$ref": "#/nowhere"}', "2+2")
    assert found.returncode in (1, 2) and b"Traceback" not in found.stderr
    assert warm.run("ask", "2+2").returncode == 0
