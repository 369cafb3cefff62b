"""Calls of tools over the socket, as an OpenAI client asks for them, by the bundled models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import UserHome
from tests.service.test_routes import reply, request

SCHEMA = {
    "type": "object",
    "properties": {"day": {"enum": ["monday", "friday"]}, "num": {"enum": [1, 2]}},
    "required": ["day", "num"],
}
TOOL = {"type": "function", "function": {"name": "plan", "parameters": SCHEMA}}
NOW = {"type": "function", "function": {"name": "now"}}


def ask(home: UserHome, *, stream: bool = False, **fields: Any) -> tuple[int, Any]:
    """Ask S of the bundled tiers; returns the status, and the body or the chunks of a stream."""
    fields = {"model": "pocket/S", "tools": [TOOL, NOW], "tool_choice": "required", **fields}
    status, head, body = reply(home, request(stream=stream, text="2+2", **fields))
    if not stream or b"text/event-stream" not in head:
        return status, json.loads(body)
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    return status, [json.loads(line) for line in lines if line != "[DONE]"]


def test_a_required_call_always_names_a_tool_and_fits_its_schema(warm: UserHome) -> None:
    named = {"type": "function", "function": {"name": "plan"}}
    for choice in ("required", named):
        status, body = ask(warm, tool_choice=choice, parallel_tool_calls=False)
        (choice_made,) = body["choices"]
        assert status == 200 and choice_made["finish_reason"] == "tool_calls"
        (call,) = choice_made["message"]["tool_calls"]
        arguments = json.loads(call["function"]["arguments"])
        if call["function"]["name"] == "plan":
            assert arguments["day"] in ("monday", "friday") and arguments["num"] in (1, 2)
        assert choice_made["message"]["content"] is None and call["id"]


def test_a_streamed_call_comes_with_its_name_first_and_the_reason_last(warm: UserHome) -> None:
    named = {"type": "function", "function": {"name": "plan"}}
    _, chunks = ask(warm, stream=True, tool_choice=named)
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    pieces = [piece for c in choices for piece in c["delta"].get("tool_calls", ())]
    assert pieces[0]["function"] == {"name": "plan", "arguments": ""} and pieces[0]["id"]
    text = "".join(piece["function"]["arguments"] for piece in pieces)
    assert set(json.loads(text)) == {"day", "num"}
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert not any(c["delta"].get("content") for c in choices)


def test_tools_change_nothing_where_none_may_be_called(warm: UserHome) -> None:
    status, body = ask(warm, tool_choice="none", model="pocket")
    assert status == 200 and body["choices"][0]["message"]["content"].strip() == "4"


def test_a_conversation_with_results_is_answered(warm: UserHome) -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "2+2"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
    ]
    status, body = ask(warm, messages=turns, tool_choice="none")
    assert status == 200 and body["choices"][0]["finish_reason"] in ("stop", "length")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        (
            {
                "tools": [
                    {"type": "function", "function": {"name": "x", "parameters": {"items": 5}}}
                ]
            },
            "tools[0].function.parameters",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    warm: UserHome, fields: dict[str, Any], param: str
) -> None:
    status, body = ask(warm, **fields)
    assert status == 400 and body["error"]["param"].startswith(param)
