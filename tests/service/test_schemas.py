"""Answers by schema over the socket, as an OpenAI client asks for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import UserHome
from tests.service.test_routes import reply, request

UNICODE = {"type": "object", "properties": {"ключ": {"enum": ["🎉"]}}, "required": ["ключ"]}


def format_of(schema: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}


def ask(home: UserHome, schema: object, *, stream: bool = False, **fields: Any) -> tuple[int, Any]:
    """Ask S of the bundled tiers; returns the status, and the body or the chunks of a stream."""
    fields = {"model": "pocket/S", "response_format": format_of(schema), **fields}
    status, head, body = reply(home, request(stream=stream, text="2+2", **fields))
    if not stream or b"text/event-stream" not in head:
        return status, json.loads(body)
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    return status, [json.loads(line) for line in lines if line != "[DONE]"]


def test_an_answer_by_schema_comes_whole_and_in_a_stream(warm: UserHome) -> None:
    status, body = ask(warm, UNICODE)
    assert status == 200 and json.loads(body["choices"][0]["message"]["content"]) == {"ключ": "🎉"}
    _, chunks = ask(warm, UNICODE, stream=True)
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert json.loads(text) == {"ключ": "🎉"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"$ref": "#/$defs/Nope"}, "'#/$defs/Nope'"),
        ({"properties": {"a": {"$ref": "https://x.org/y"}}}, "#/properties/a/$ref"),
        ({"items": {"type": 5}}, "#/items/type"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "#/minimum"),
        (False, "`false`"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_before_a_stream_begins(
    warm: UserHome, schema: object, named: str, stream: bool
) -> None:
    status, body = ask(warm, schema, stream=stream)
    assert status == 400 and named in body["error"]["message"]
    assert body["error"]["param"] == "response_format"


def test_what_is_only_checked_and_does_not_fit_is_told(warm: UserHome) -> None:
    status, body = ask(warm, {"const": 1, "not": {"const": 1}})
    facts = body["x_tierchat"]
    assert status == 200 and facts["finish_reason"] == "misfit"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "#/not cannot be enforced" in facts["notices"][0]
    assert "does not fit the schema: at #: " in facts["notices"][1]


def test_json_that_was_cut_has_the_finish_reason_length(warm: UserHome) -> None:
    _, body = ask(warm, {"type": "string", "minLength": 900}, max_tokens=5)
    assert body["choices"][0]["finish_reason"] == "length"
    assert "not complete JSON" in body["x_tierchat"]["notices"][-1]


def test_a_misfit_goes_up_where_the_answer_is_not_streamed(warm: UserHome) -> None:
    _, body = ask(warm, {"const": 1, "not": {"const": 1}}, model="pocket")
    visits = [visit["tier"] for visit in body["x_tierchat"]["path"]]
    assert len(visits) > 1 and visits[-1] == "M"


def test_an_answer_goes_on_from_a_beginning_that_fits(warm: UserHome) -> None:
    turns = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": ' {"ключ": '}]
    _, body = ask(warm, UNICODE, messages=turns)
    assert body["choices"][0]["message"]["content"].strip().startswith('"🎉"')
    turns[1]["content"] = "Here it is:"
    status, body = ask(warm, UNICODE, messages=turns)
    assert status == 400 and "cannot begin with 'Here it is:'" in body["error"]["message"]
