"""Tools, their choice and their calls in OpenAI's JSON."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tierchat.cascade.ledger import Ledger
from tierchat.errors import InvalidRequest
from tierchat.events import Done, ToolCallDelta
from tierchat.outcomes import Outcome, Usage
from tierchat.service.openai.reading import read_chunk
from tierchat.service.openai.tool_format import SentTools, check_results
from tierchat.service.openai_format import write_request
from tierchat.service.openai_replies import chunk, completion
from tierchat.tool_calls import Tool, ToolCall, ToolUse
from tierchat.types import Message, Prompt

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}
CALL = ToolCall(id="c1", name="weather", arguments='{"city":"Köln"}')
QUESTION = Message(role="user", content="And in Köln?")
CALLED = Message(role="assistant", content="", tool_calls=(CALL,))
RESULT = Message(role="tool", content="rain", tool_call_id="c1")


def read(**fields: Any) -> ToolUse:
    return msgspec.json.decode(json.dumps(fields), type=SentTools).use()


def tool(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {**WEATHER, **fields}}


def outcome(answer: str, *calls: ToolCall) -> Outcome:
    ledger = Ledger(lambda _tier: 1.0, "M")
    ledger.add("XS", "xs", "stop", Usage(generated_tokens=1), is_answer=True)
    made = ledger.close(answer, "", "tool_calls" if calls else "stop", 0.1)
    return msgspec.structs.replace(made, tool_calls=calls)


def test_a_tool_keeps_its_schema_as_it_was_written() -> None:
    (found,) = read(tools=[tool()]).tools
    assert (found.name, found.description) == ("weather", "Tells it.")
    assert json.loads(found.parameters) == SCHEMA
    bare = read(tools=[{"type": "function", "function": {"name": "now"}}]).tools[0]
    assert json.loads(bare.parameters) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ("auto", "")),
        ("auto", ("auto", "")),
        ("none", ("none", "")),
        ("required", ("required", "")),
        ({"type": "function", "function": {"name": "weather"}}, ("required", "weather")),
    ],
)
def test_every_choice_is_read(choice: Any, expected: tuple[str, str]) -> None:
    use = read(tools=[tool(), tool(name="time")], tool_choice=choice, parallel_tool_calls=False)
    assert (use.choice, use.name) == expected and not use.is_parallel
    num = {"none": 0, "weather": 1}.get(use.name or use.choice, 2)
    assert len(use.callable) == num and use.is_required == (use.choice == "required")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [tool(), tool()]}, "tools[1].function.name"),
        ({"tools": [tool(parameters={"type": "array"})]}, "tools[0].function.parameters"),
        (
            {"tools": [tool(), tool(name="x", parameters={"properties": {"a": {"type": "txt"}}})]},
            "tools[1].function.parameters",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice.function.name",
        ),
    ],
)
def test_what_is_wrong_with_tools_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param and param in caught.value.message


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([QUESTION, RESULT], "messages[1].tool_call_id"),
        ([QUESTION, CALLED, Message(role="tool", content="x")], "messages[2].tool_call_id"),
        ([QUESTION, CALLED], "messages[1].tool_calls"),
        ([Message(role="user", content="x", tool_calls=(CALL,))], "messages[0].tool_calls"),
    ],
)
def test_calls_and_results_belong_together(messages: list[Message], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_results(messages)
    assert caught.value.param == param
    check_results([QUESTION, CALLED, RESULT])


def test_a_prompt_with_tools_survives_the_way_through_json() -> None:
    use = ToolUse(tools=(Tool(name="weather", parameters=json.dumps(SCHEMA)),), name="weather")
    prompt = Prompt(messages=(QUESTION, CALLED, RESULT), tools=use)
    sent = json.loads(write_request(prompt))
    assert sent["messages"][1]["tool_calls"][0]["function"]["arguments"] == CALL.arguments
    assert sent["messages"][2] == {"role": "tool", "content": "rain", "tool_call_id": "c1"}
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


def test_a_completion_with_calls_has_content_only_if_there_was_text() -> None:
    (choice,) = completion("id", 0, outcome("", CALL))["choices"]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["id"] == "c1" and call["type"] == "function"
    assert call["function"] == {"name": "weather", "arguments": CALL.arguments}
    (choice,) = completion("id", 0, outcome("Let me see.", CALL))["choices"]
    assert choice["message"]["content"] == "Let me see."
    assert "tool_calls" not in completion("id", 0, outcome("4"))["choices"][0]["message"]


def test_a_call_is_streamed_with_its_name_first() -> None:
    events = [
        ToolCallDelta(index=1, id="c1", name="weather"),
        ToolCallDelta(index=1, arguments=CALL.arguments),
    ]
    sent = [chunk("id", 0, event) for event in events]
    first, second = (each["choices"][0]["delta"]["tool_calls"][0] for each in sent)
    assert first["function"] == {"name": "weather", "arguments": ""} and first["id"] == "c1"
    assert second == {"index": 1, "function": {"arguments": CALL.arguments}}
    read_back = [event for each in sent for event in read_chunk(msgspec.json.encode(each))]
    assert read_back == events
    last = chunk("id", 0, Done(outcome=outcome("", CALL)))
    assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_a_line_break_behind_a_name_is_no_part_of_it() -> None:
    with pytest.raises(msgspec.ValidationError, match="name"):
        read(tools=[tool(name="weather\n")])
