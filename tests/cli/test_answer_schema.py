"""Schemas: read in three forms, kept by every tier, and checked at the end."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import UserHome
from tests.schema_cases import CHECKED
from tierchat.cli.ask.answer_schema import read_schema
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
UNICODE = {
    "type": "object",
    "properties": {
        "ключ": {"enum": ["grün"]},
        'q"q': {"const": "🎉"},
        "list": {"items": {"const": []}},
    },
    "required": ["ключ", 'q"q', "list"],
}


def test_short_form_json_and_file_mean_the_same(tmp_path: Path) -> None:
    file, other = tmp_path / "person.json", tmp_path / "schema"
    file.write_text(json.dumps(PERSON), "utf-8-sig")
    other.write_text(json.dumps(PERSON))
    for text in ("name, age int: in years, tags [str]", json.dumps(PERSON), str(file), str(other)):
        assert json.loads(read_schema(text)) == PERSON
    assert json.loads(read_schema("true")) is True


@pytest.mark.parametrize(
    "text", ["", "a b c d", "x foo", "{", '{"type": 5}', "[1]", "/no/such.json", "{}x", "false"]
)
def test_a_text_that_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_schema(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/no/such/schema", "cannot read /no/such/schema"),
        ("/", "cannot read /: "),
        (json.dumps({"const": "a" * 100_000}), "100,013 characters"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_schema(text)
    assert "first/last" in read_schema("name: first/last, age int")


@pytest.mark.parametrize("tier", ["XS", "S", "M"])
def test_every_tier_answers_in_the_form_that_was_asked_for(warm: UserHome, tier: str) -> None:
    found = warm.run("ask", "--tier", tier, "--schema", json.dumps(UNICODE), "2+2")
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert answer["ключ"] == "grün" and answer['q"q'] == "🎉"
    tool = subprocess.run(["python3", "-m", "json.tool"], input=found.stdout, capture_output=True)
    assert tool.returncode == 0


def test_what_is_cut_short_does_not_pass(warm: UserHome) -> None:
    schema = "a str, b str, c str, d str, e str, f str"
    found = warm.run("ask", "--schema", schema, "-o", "max_tokens", "5", "2+2")
    assert found.returncode == 1 and b"not complete JSON" in found.stderr


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ('{"$ref": "#/nowhere"}', "#/$ref: the reference '#/nowhere' leads nowhere"),
        ('{"items": {"$ref": "https://x.org/a"}}', "#/items/$ref: the reference 'https://x.org/a'"),
        ('{"type": "integer", "minimum": 2, "maximum": 1}', "#/minimum: Unsatisfiable"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_part_named(
    warm: UserHome, schema: str, named: str
) -> None:
    found = warm.run("ask", "--schema", schema, "2+2")
    assert found.returncode == 2 and named in found.stderr.decode() and not found.stdout
    assert warm.run("ask", "2+2").returncode == 0


def test_an_answer_that_does_not_fit_goes_up_and_at_the_top_is_said(warm: UserHome) -> None:
    schema = json.dumps({"const": 1, "not": {"const": 1}})
    found = warm.run("ask", "--schema", schema, "--usage", "2+2")
    assert found.returncode == 1 and json.loads(found.stdout) == 1
    said = found.stderr.decode()
    assert "#/not cannot be enforced, only checked" in said
    assert "the answer of M does not fit the schema: at #: " in said
    visits = json.loads(warm.run("ask", "--json", "--schema", schema, "2+2").stdout)["path"]
    assert [visit["tier"] for visit in visits] == ["XS", "S", "M"]
    assert "does not fit the schema" in visits[0]["reason"]


def test_the_last_tier_that_may_answer_says_that_its_answer_does_not_fit(warm: UserHome) -> None:
    schema = json.dumps({"const": 1, "not": {"const": 1}})
    for options in (["--tier", "S"], ["--no-escalate"]):
        found = warm.run("ask", *options, "--schema", schema, "2+2")
        assert found.returncode == 1 and found.stdout == b"1\n"


def test_a_tier_declines_with_a_schema_as_it_would_without(warm: UserHome) -> None:
    found = warm.run("ask", "--json", "--schema", "answer str", "Who wrote Hamlet?")
    assert found.returncode == 9 and not json.loads(found.stdout)["answer"]


@pytest.mark.parametrize("place", CHECKED)
def test_what_is_only_checked_is_said_in_json_too(warm: UserHome, place: str) -> None:
    schema = json.dumps(CHECKED[place])
    found = warm.run(
        "ask", "--json", "--tier", "S", "--schema", schema, "-o", "max_tokens", "9", "2+2"
    )
    outcome = json.loads(found.stdout)
    assert any(f"{place} cannot be enforced" in notice for notice in outcome["notices"])
    assert found.returncode == (0 if outcome["finish_reason"] == "stop" else 1)
