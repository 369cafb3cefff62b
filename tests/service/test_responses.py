"""OpenAI's Responses: what is read of a request, what comes back, and what is remembered."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.conftest import UserHome
from tests.service.test_completions import post
from tests.service.test_messages import done
from tests.service.test_routes import reply
from tierchat.errors import InvalidRequest
from tierchat.events import AnswerDelta, CascadeEvent, Hop, ThoughtDelta, ToolCallDelta
from tierchat.outcomes import Visit
from tierchat.service.answers import ChoiceEvent
from tierchat.service.description import response_shapes as shapes
from tierchat.service.responses.memory import Responses, UnknownResponse
from tierchat.service.responses.responses_format import ResponseRequest, read_response_request
from tierchat.service.responses.responses_reply import ResponseForm
from tierchat.tool_calls import ToolCall
from tierchat.types import Message

TOOL = {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {}}}
CALL = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":2}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "4"}


def read(responses: Responses | None = None, **fields: Any) -> ResponseRequest:
    body = {"input": "2+2", **fields}
    return read_response_request(json.dumps(body).encode(), (responses or Responses()).messages)


def test_a_request_becomes_the_same_prompt_as_any_other() -> None:
    found = read(
        model="pocket/S", instructions="be brief", max_output_tokens=9, temperature=0.5,
        reasoning={"effort": "high", "summary": "auto"}, tools=[TOOL], stream=True,
        tool_choice={"type": "function", "name": "add"}, parallel_tool_calls=False,
        include=["reasoning.encrypted_content"], metadata={"a": "b"}, zzz=1,
    )  # fmt: skip
    prompt = found.prompt
    assert [(m.role, m.content) for m in prompt.messages] == [
        ("system", "be brief"),
        ("user", "2+2"),
    ]
    assert prompt.sampling.given() == {"temperature": 0.5, "max_tokens": 9}
    assert (prompt.options.tier, prompt.options.quality, prompt.think) == ("S", "best", True)
    assert (prompt.tools.choice, prompt.tools.name, prompt.tools.is_parallel) == (
        "required", "add", False
    )  # fmt: skip
    assert found.notices == ("zzz was ignored: tierchat does not know this field",)


def test_calls_belong_to_the_answer_before_them() -> None:
    items = [
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "2+2"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "assistant", "content": [{"type": "output_text", "text": "I add."}]},
        CALL,
        {**CALL, "call_id": "c2"},
        RESULT,
        {**RESULT, "call_id": "c2", "output": [{"type": "input_text", "text": "5"}]},
    ]
    found = read(input=items).prompt.messages
    assert [(m.role, m.content) for m in found] == [
        ("system", "d"), ("user", "2+2"), ("assistant", "I add."), ("tool", "4"), ("tool", "5")
    ]  # fmt: skip
    assert [call.id for call in found[2].tool_calls] == ["c1", "c2"]
    assert found[2].tool_calls[0] == ToolCall(id="c1", name="add", arguments='{"a":2}')


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": " "}, "input"),
        ({"input": [{"role": "user", "content": "x"}, RESULT]}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content"),
        ({"input": [{"type": "input_image", "image_url": "x"}]}, "input[0]"),
        ({"input": [{"content": "x"}]}, "input[0].role"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{**TOOL, "parameters": {"type": "string"}}]}, "tools[0].parameters"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"background": True}, "background"),
        ({"conversation": "c"}, "conversation"),
        ({"include": ["file_search_call.results"]}, "include"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"previous_response_id": "resp_x"}, "previous_response_id"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert (caught.value.param or "").startswith(param)


def events_of(form: ResponseForm, *events: CascadeEvent) -> list[shapes.ResponseEvent]:
    found = [ChoiceEvent(0, event) for event in events]
    for event in found:
        form.see(event)
    lines = b"".join(line for event in found for line in form.lines(event))
    made = []
    for line in lines.split(b"\n\n")[:-1]:
        name, data = line.split(b"\n")
        made.append(msgspec.json.decode(data.removeprefix(b"data: "), type=shapes.ResponseEvent))
        assert made[-1].type == name.removeprefix(b"event: ").decode()
    return made


def test_a_stream_grows_one_item_after_the_other() -> None:
    hop = Hop(visit=Visit(tier="XS", model="x", reason="hard"), target="S")
    calls = (ToolCall(id="t1", name="add", arguments="{}"),)
    found = events_of(
        ResponseForm(read(), None),
        hop,
        ThoughtDelta(tier="S", text="hm"),
        AnswerDelta(text="I ", model="script"),
        AnswerDelta(text="add."),
        ToolCallDelta(index=0, id="t1", name="add", arguments="{"),
        ToolCallDelta(index=0, arguments="}"),
        done(finish_reason="tool_calls", tool_calls=calls),
    )
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert [event.type.removeprefix("response.") for event in found] == [
        "created", "in_progress", "x_tierchat",
        "output_item.added", "reasoning_text.delta", "reasoning_text.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done", "completed",
    ]  # fmt: skip
    response = found[-1].response
    assert isinstance(response, shapes.ResponseReply)
    thought, message, call = response.output
    assert isinstance(thought, shapes.ReasoningItem) and thought.content[0].text == "hm"
    assert isinstance(message, shapes.OutputMessage) and message.status == "completed"
    assert message.content == [shapes.OutputText(text="I add.", annotations=[], logprobs=[])]
    assert isinstance(call, shapes.CallItem) and (call.call_id, call.arguments) == ("t1", "{}")
    assert response.usage and response.usage.total_tokens == 12


@pytest.mark.parametrize(
    ("reason", "status"), [("length", "incomplete"), ("unanswered", "completed")]
)
def test_an_answer_that_is_cut_or_refused_says_so(reason: str, status: str) -> None:
    form = ResponseForm(read(), None)
    form.see(ChoiceEvent(0, done(finish_reason=reason)))
    whole = msgspec.convert(form.whole(), shapes.ResponseReply)
    *_, last = events_of(ResponseForm(read(), None), done(finish_reason=reason))
    assert isinstance(last.response, shapes.ResponseReply)
    assert whole.status == last.response.status == status
    [part] = whole.output[-1].content  # type: ignore[union-attr]
    kind = shapes.RefusalPart if reason == "unanswered" else shapes.OutputText
    assert isinstance(part, kind)


def test_a_request_goes_on_from_a_response_with_instructions_of_its_own() -> None:
    responses = Responses()
    first = read(instructions="be brief")
    form = ResponseForm(first, responses.add)
    form.see(ChoiceEvent(0, done()))
    id_ = form.whole()["id"]
    found = read(responses, previous_response_id=id_, input="and 3?", instructions="rhyme")
    assert [(m.role, m.content) for m in found.prompt.messages] == [
        ("system", "rhyme"), ("user", "2+2"), ("assistant", "4"), ("user", "and 3?")
    ]  # fmt: skip
    responses.remove(id_)
    with pytest.raises(UnknownResponse):
        responses.response(id_)


def test_the_oldest_responses_are_forgotten_first() -> None:
    responses = Responses()
    for number in range(1001):
        responses.add((Message(role="user", content="x"),), {"id": str(number)})
    with pytest.raises(InvalidRequest):
        responses.messages("0")
    long = (Message(role="user", content="x" * 30_000_000),)
    responses.add(long, {"id": "a"})
    responses.add(long, {"id": "b"})
    assert responses.messages("b") == long
    with pytest.raises(UnknownResponse):
        responses.response("a")


def test_a_conversation_over_several_responses(warm: UserHome) -> None:
    status, body = post(warm, "/v1/responses", input="What is 2+2?")
    first = msgspec.json.decode(body, type=shapes.ResponseReply)
    assert status == 200 and first.output[-1].content[0].text == "4"  # type: ignore[union-attr]
    path = f"/v1/responses/{first.id}"
    _, body = post(
        warm, "/v1/responses", input="What is 3+3?", previous_response_id=first.id, stream=True
    )
    events = [line.split(b"\n")[1].removeprefix(b"data: ") for line in body.split(b"\n\n")[:-1]]
    last = msgspec.json.decode(events[-1], type=shapes.ResponseEvent)
    assert last.type == "response.completed" and isinstance(last.response, shapes.ResponseReply)
    assert last.response.previous_response_id == first.id
    head = "{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, _, body = reply(warm, head.format("GET", path).encode())
    assert status == 200 and msgspec.json.decode(body, type=shapes.ResponseReply) == first
    status, _, body = reply(warm, head.format("DELETE", path).encode())
    assert status == 200 and json.loads(body)["deleted"]
    status, _, body = reply(warm, head.format("GET", path).encode())
    assert status == 404
    status, body = post(warm, "/v1/responses", input="x", previous_response_id=first.id)
    assert status == 400 and json.loads(body)["error"]["param"] == "previous_response_id"


def test_what_a_request_repeats_counts_as_remembered() -> None:
    responses = Responses()
    for number in range(8):
        response = {"id": f"resp_{number}", "metadata": {"a": "x" * 10_000_000}}
        responses.add([Message(role="user", content="hi")], response)
    assert responses.response("resp_7")
    with pytest.raises(UnknownResponse):
        responses.response("resp_3")
    responses.remove("resp_7")
    assert responses.response("resp_5")


def test_tools_that_agents_offer_to_every_model_are_left_out_and_told() -> None:
    body = {"model": "x", "input": "x", "tools": [{"type": "web_search"}, TOOL]}
    found = read_response_request(json.dumps(body).encode(), lambda _: ())
    assert [tool.name for tool in found.prompt.tools.tools] == [TOOL["name"]]
    assert "tools[0] of type web_search was left out" in found.notices[0]
