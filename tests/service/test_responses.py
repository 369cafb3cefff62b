"""OpenAI's Responses: what is read of a request, what comes back, and what is remembered."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import UserHome
from tests.service.test_completions import post
from tests.service.test_messages import done
from tests.service.test_routes import reply
from tierchat.conversations.store import LogStore
from tierchat.errors import InvalidRequest, LogUnusable
from tierchat.events import AnswerDelta, CascadeEvent, Hop, ThoughtDelta, ToolCallDelta
from tierchat.outcomes import Visit
from tierchat.service.answers import ChoiceEvent
from tierchat.service.description import response_shapes as shapes
from tierchat.service.responses.remembered import PreviousUnknown, UnknownResponse
from tierchat.service.responses.responses_format import ResponseRequest, read_response_request
from tierchat.service.responses.responses_reply import ResponseForm
from tierchat.service.responses.routes import ResponseRoutes
from tierchat.tool_calls import ToolCall
from tierchat.types import Message

TOOL = {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {}}}
CALL = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a":2}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "4"}


def read(earlier: Sequence[Message] = (), **fields: Any) -> ResponseRequest:
    return read_response_request(json.dumps({"input": "2+2", **fields}).encode(), earlier)


class OneLog:
    """A log that works at once, or is full."""

    def __init__(self, path: Path, *, is_full: bool = False) -> None:
        self.store, self.is_full = LogStore(path), is_full

    async def run(self, work: Callable[[LogStore], Any]) -> Any:
        if self.is_full:
            raise LogUnusable("this conversation is not saved: the disk is full")
        return work(self.store)


class Keeper:
    keeps_conversations = True


def routes_of(log: OneLog) -> ResponseRoutes:
    return ResponseRoutes(Keeper(), log)  # type: ignore[arg-type]


async def answered(routes: ResponseRoutes, **fields: Any) -> dict[str, Any]:
    """Return the response to a request whose answer is 4, in one piece."""
    body = json.dumps({"input": "2+2", **fields}).encode()
    asked = routes.ask(body, "client", await routes.before(body))

    async def events() -> AsyncGenerator[ChoiceEvent, None]:
        yield ChoiceEvent(0, done())

    assert asked.passing
    async for event in asked.passing(events()):
        asked.form.see(event)
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(asked.form.whole()))
    return found


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
        ({"previous_response_id": 5}, "previous_response_id"),
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
        ResponseForm(read()),
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
    form = ResponseForm(read())
    form.see(ChoiceEvent(0, done(finish_reason=reason)))
    whole = msgspec.convert(form.whole(), shapes.ResponseReply)
    *_, last = events_of(ResponseForm(read()), done(finish_reason=reason))
    assert isinstance(last.response, shapes.ResponseReply)
    assert whole.status == last.response.status == status
    [part] = whole.output[-1].content  # type: ignore[union-attr]
    kind = shapes.RefusalPart if reason == "unanswered" else shapes.OutputText
    assert isinstance(part, kind)


def test_a_request_goes_on_from_a_response_with_instructions_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        routes = routes_of(OneLog(tmp_path / "log.sqlite"))
        first = await answered(routes, instructions="be brief")
        assert await routes.find(first["id"]) == first and first["store"]
        body = json.dumps({"input": "and 3?", "previous_response_id": first["id"]}).encode()
        found = read_response_request(body, await routes.before(body))
        assert [(m.role, m.content) for m in found.prompt.messages] == [
            ("user", "2+2"), ("assistant", "4"), ("user", "and 3?")
        ]  # fmt: skip
        await routes.forget(first["id"])
        with pytest.raises(UnknownResponse):
            await routes.find(first["id"])
        with pytest.raises(PreviousUnknown, match=first["id"]):
            await routes.before(body)

    asyncio.run(main())


def test_a_response_that_says_so_is_not_remembered(tmp_path: Path) -> None:
    async def main() -> None:
        routes = routes_of(OneLog(tmp_path / "log.sqlite"))
        found = await answered(routes, store=False)
        assert found["store"] is False
        with pytest.raises(PreviousUnknown) as caught:
            await routes.before(json.dumps({"previous_response_id": found["id"]}).encode())
        assert caught.value.http_status == 404 and "store = false" in caught.value.hint

    asyncio.run(main())


def test_where_it_cannot_be_saved_the_answer_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        found = await answered(routes_of(OneLog(tmp_path / "log.sqlite", is_full=True)))
        assert found["store"] is False
        *_, notice = found["x_tierchat"]["notices"]
        assert "the disk is full; no request can go on from this response" in notice

    asyncio.run(main())


def test_a_conversation_goes_on_after_the_daemon_was_killed(home: UserHome) -> None:
    daemon = home.start_scripted("2")
    _, body = post(home, "/v1/responses", input="first")
    id_ = json.loads(body)["id"]
    daemon.kill()
    daemon.wait()
    home.start_scripted("2")
    status, body = post(home, "/v1/responses", input="second", previous_response_id=id_)
    assert status == 200 and json.loads(body)["previous_response_id"] == id_
    with contextlib.closing(LogStore(home.paths.log_file, is_first=False)) as store:
        saved = store.response(json.loads(body)["id"])
    assert saved and [m.content for m in saved.messages] == ["first", "0 1 ", "second", "0 1 "]


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
    error = json.loads(body)["error"]
    assert status == 404 and error["param"] == "previous_response_id"
    assert error["code"] == "previous_response_not_found" and first.id in error["message"]


def test_tools_that_agents_offer_to_every_model_are_left_out_and_told() -> None:
    body = {"model": "x", "input": "x", "tools": [{"type": "web_search"}, TOOL]}
    found = read_response_request(json.dumps(body).encode())
    assert [tool.name for tool in found.prompt.tools.tools] == [TOOL["name"]]
    assert "tools[0] of type web_search was left out" in found.notices[0]
