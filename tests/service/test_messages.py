"""Anthropic's messages: what is read of a request, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.conftest import UserHome
from tests.service.test_completions import post
from tierchat.cascade.ledger import Ledger
from tierchat.errors import InvalidRequest, Overloaded
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, ThoughtDelta, ToolCallDelta
from tierchat.outcomes import Usage, Visit
from tierchat.service.answers import ChoiceEvent
from tierchat.service.anthropic.messages_format import (
    MessagesRequest,
    least_tiers,
    read_messages,
)
from tierchat.service.anthropic.messages_reply import MessagesForm, anthropic_error
from tierchat.service.description import claude_shapes as claude
from tierchat.tool_calls import ToolCall
from tierchat.types import Prompt

TIERS = {"haiku": "XS", "sonnet": "S", "opus": "M"}
USER: dict[str, Any] = {"role": "user", "content": "2+2"}
TOOL = {"name": "add", "description": "Add", "input_schema": {"type": "object", "properties": {}}}


def read(**fields: Any) -> Prompt:
    body = {"model": "tierchat", "max_tokens": 9, "messages": [USER], **fields}
    return read_messages(json.dumps(body).encode(), TIERS).prompt


def test_a_request_becomes_the_same_prompt_as_any_other() -> None:
    found = read(
        system=[{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        stop_sequences=["x"],
        temperature=0.5,
        top_k=3,
        thinking={"type": "enabled", "budget_tokens": 2000},
        model="pocket/S",
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "add", "disable_parallel_tool_use": True},
    )
    assert [(m.role, m.content) for m in found.messages] == [
        ("system", "be brief"),
        ("user", "2+2"),
    ]
    assert found.sampling.given() == {
        "temperature": 0.5, "top_k": 3, "max_tokens": 9, "stop": ("x",)
    }  # fmt: skip
    assert (found.options.cascade, found.options.tier, found.think) == ("pocket", "S", True)
    assert (found.tools.choice, found.tools.name) == ("required", "add")
    assert not found.tools.is_parallel and found.options.hold == "answer"


def test_results_of_tools_come_before_the_text_beside_them() -> None:
    turns = [
        USER,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "I add."},
                {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 2}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "go on"},
                {"type": "tool_result", "tool_use_id": "t1", "content": "4", "is_error": True},
            ],
        },
    ]
    found = read(messages=turns).messages
    assert [(m.role, m.content) for m in found] == [
        ("user", "2+2"), ("assistant", "I add."), ("tool", "Error: 4"), ("user", "go on")
    ]  # fmt: skip
    assert found[1].tool_calls == (ToolCall(id="t1", name="add", arguments='{"a":2}'),)


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-haiku-4-5", "XS"),
        ("claude-3-5-sonnet-latest", "S"),
        ("opus", "M"),
        ("claude-2", None),
        ("tierchat", None),
    ],
)
def test_names_of_anthropics_models_are_least_tiers(model: str, least: str | None) -> None:
    assert read(model=model).options.min_tier == least
    assert read(model=model, x_tierchat={"tier": "S"}).options.min_tier is None


def test_least_tiers_are_low_middle_and_top_or_as_set() -> None:
    assert least_tiers(["A", "B", "C"], "") == {"haiku": "A", "sonnet": "B", "opus": "C"}
    assert least_tiers(["A", "B"], "") == {"haiku": "A", "sonnet": "B", "opus": "B"}
    assert least_tiers(["A", "B"], "B, B B") == {"haiku": "B", "sonnet": "B", "opus": "B"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": []}]}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tools": [{**TOOL, "input_schema": {"type": "string"}}]}, "tools[0].input_schema"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"stop_sequences": [""]}, "stop_sequences[0]"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert (caught.value.param or "").startswith(param)


def events_of(form: MessagesForm, *events: CascadeEvent) -> list[Any]:
    found = [ChoiceEvent(0, event) for event in events]
    for event in found:
        form.see(event)
    lines = b"".join(line for event in found for line in form.lines(event)) + b"".join(form.end())
    read_back = []
    for event in lines.split(b"\n\n")[:-1]:
        name, data = event.split(b"\n")
        read_back.append(
            msgspec.json.decode(data.removeprefix(b"data: "), type=claude.AnthropicEvent)
        )
        assert (
            json.loads(data.removeprefix(b"data: "))["type"]
            == name.removeprefix(b"event: ").decode()
        )
    return read_back


def done(**fields: Any) -> Done:
    ledger = Ledger(lambda _tier: 1.0, "M")
    usage = Usage(prompt_tokens=5, cached_tokens=2, generated_tokens=7)
    ledger.add("XS", "script", "stop", usage, is_answer=True)
    ledger.notices.append("nobody knows")
    reason = fields.pop("finish_reason", "stop")
    return Done(outcome=msgspec.structs.replace(ledger.close("4", "hm", reason, 0.1), **fields))


def test_a_stream_opens_and_closes_a_block_for_each_kind() -> None:
    hop = Hop(visit=Visit(tier="XS", model="x", reason="hard"), target="S")
    end = done(finish_reason="tool_calls")
    found = events_of(
        MessagesForm(shows_thoughts=True),
        hop,
        ThoughtDelta(tier="S", text="hm"),
        AnswerDelta(text="I ", model="script"),
        AnswerDelta(text="add."),
        ToolCallDelta(index=0, id="t1", name="add", arguments="{"),
        ToolCallDelta(index=0, arguments="}"),
        ToolCallDelta(index=1, id="t2", name="add", arguments="{}"),
        end,
    )
    kinds = [type(event).__name__ for event in found]
    block = ["BlockStart", "BlockDelta", "BlockStop"]
    two = ["BlockStart", "BlockDelta", "BlockDelta", "BlockStop"]
    assert kinds == [
        *("MessageStart", "Ping"), *block, *two, *two, *block, "MessageDelta", "MessageStop"
    ]  # fmt: skip
    assert [event.index for event in found if isinstance(event, claude.BlockStart)] == [0, 1, 2, 3]
    assert found[0].message.model == "script" and found[-2].delta.stop_reason == "tool_use"
    usage = found[-2].usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (3, 2, 7)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "end_turn"),
        ({"finish_reason": "length"}, "max_tokens"),
        ({"stopped_by": "x"}, "stop_sequence"),
        ({"finish_reason": "unanswered"}, "refusal"),
    ],
)
def test_the_end_of_an_answer_has_anthropics_words(fields: Any, reason: str) -> None:
    form = MessagesForm(shows_thoughts=True)
    form.see(ChoiceEvent(0, done(**fields)))
    found = msgspec.convert(msgspec.to_builtins(form.whole()), claude.AnthropicMessage)
    assert found.stop_reason == reason and found.stop_sequence == fields.get("stopped_by")
    text = "nobody knows" if reason == "refusal" else "4"
    assert found.content[-1] == claude.TextBlock(text=text)


def test_errors_have_anthropics_shape() -> None:
    error = msgspec.convert(anthropic_error(Overloaded("full")), claude.AnthropicError).error
    assert (error.type, error.message, error.retry_after_s) == ("overloaded_error", "full", 1)


def test_a_message_is_answered_counted_and_refused(warm: UserHome) -> None:
    asked: dict[str, Any] = {"model": "claude-haiku-4-5", "messages": [USER]}
    status, body = post(warm, "/v1/messages", **asked, max_tokens=50)
    found = msgspec.json.decode(body, type=claude.AnthropicMessage)
    assert status == 200 and found.content == [claude.TextBlock(text="4")]
    _, body = post(warm, "/v1/messages/count_tokens", **asked)
    tokens = msgspec.json.decode(body, type=claude.TokenCount).input_tokens
    used = found.usage
    assert tokens == used.input_tokens + used.cache_read_input_tokens
    status, body = post(warm, "/v1/messages", **asked)
    error = msgspec.json.decode(body, type=claude.AnthropicError).error
    assert (status, error.type, error.param) == (400, "invalid_request_error", "max_tokens")
    _, body = post(warm, "/v1/messages", **asked, max_tokens=50, stream=True)
    *events, _ = body.split(b"\n\n")
    kinds = [event.split(b"\n")[0].removeprefix(b"event: ").decode() for event in events]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]


def test_the_stop_string_that_was_found_is_told(warm: UserHome) -> None:
    asked = {"model": "pocket/S", "messages": [{"role": "user", "content": "What is 123+456?"}]}
    _, body = post(warm, "/v1/messages", **asked, max_tokens=99, stop_sequences=["79", "zz"])
    found = msgspec.json.decode(body, type=claude.AnthropicMessage)
    assert (found.stop_reason, found.stop_sequence) == ("stop_sequence", "79")
    assert found.content[-1] == claude.TextBlock(text="5")


def test_thoughts_are_shown_to_those_who_asked_for_thinking() -> None:
    def read(**fields: object) -> MessagesRequest:
        said = [{"role": "user", "content": "x"}]
        body = {"model": "claude", "max_tokens": 9, "messages": said, **fields}
        return read_messages(json.dumps(body).encode(), {})

    assert not read().shows_thoughts
    assert not read(thinking={"type": "disabled"}).shows_thoughts
    assert read(thinking={"type": "enabled", "budget_tokens": 2000}).shows_thoughts


def test_what_agents_send_unasked_is_told_and_does_no_harm() -> None:
    body = {
        "model": "claude",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}],
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    }
    [notice] = read_messages(json.dumps(body).encode(), {}).notices
    assert "context_management was ignored" in notice
