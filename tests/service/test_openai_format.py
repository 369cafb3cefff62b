"""OpenAI's JSON in and out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierchat.cascade.ledger import Ledger
from tierchat.errors import DaemonUnreachable, InvalidRequest, Overloaded
from tierchat.events import AnswerDelta, Done, Hop, ThoughtDelta
from tierchat.service.openai_format import read_request, write_request
from tierchat.service.openai_replies import chunk, completion, error_body, read_chunk, read_error
from tierchat.types import Message, Outcome, Prompt, Sampling, TierOptions, Usage, Visit

USER = {"role": "user", "content": "2+2"}


def request(**fields: Any) -> bytes:
    return json.dumps({"messages": [USER], **fields}).encode()


def outcome(finish_reason: Any = "stop") -> Outcome:
    ledger = Ledger(lambda _tier: 1.0, "M")
    usage = Usage(prompt_tokens=5, cached_tokens=2, generated_tokens=1)
    ledger.add("XS", "pocket-xs", "stop", usage, is_answer=finish_reason != "unanswered")
    ledger.notices.append("nobody knows")
    return ledger.close("4", "two and two", finish_reason, 0.1)


def test_a_prompt_survives_the_way_through_json() -> None:
    prompt = Prompt(
        messages=(Message(role="system", content="s"), Message(role="user", content="ü \ud7ff")),
        sampling=Sampling(temperature=0.5, stop=("a", "b"), max_tokens=7, seed=3),
        options=TierOptions(tier="S", timeout_s=3.0, hold="answer"),
        think=False,
    )
    found = read_request(write_request(prompt))
    assert found.prompt == prompt and found.is_stream


def test_parts_of_text_are_joined_and_developers_are_systems() -> None:
    parts = [{"type": "text", "text": "2+"}, {"type": "text", "text": "2"}]
    turns = [{"role": "developer", "content": "d"}, {"role": "user", "content": parts}]
    found = read_request(request(messages=turns)).prompt.messages
    assert [(m.role, m.content) for m in found] == [("system", "d"), ("user", "2+2")]


def test_the_model_field_names_cascade_and_tier() -> None:
    options = read_request(request(model="pocket/S")).prompt.options
    assert (options.cascade, options.tier) == ("pocket", "S")
    assert read_request(request(model="tierchat")).prompt.options.cascade is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"n": 10**9}, "n"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"logit_bias": {"5": 99999999}}, "logit_bias"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "poem"}}, "response_format.type"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"messages": []}, "messages"),
        ({"messages": [USER] * 10_001}, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"x_tierchat": {"tyer": "S"}}, "x_tierchat"),
        ({"x_tierchat": {"timeout_s": 0}}, "x_tierchat.timeout_s"),
    ],
)
def test_every_bound_is_refused_by_the_name_of_its_field(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(request(**fields))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_tokens": -1}, "max_tokens = -1:"),
        ({"stop": ["ok", ""]}, 'stop[1] = "":'),
        ({"x_tierchat": {"hold": "z"}}, 'x_tierchat.hold = "z":'),
        ({"user": "u" * 300}, "uuu…:"),
        ({"logit_bias": {"5": 9}}, 'logit_bias = {"5": 9} is not'),
    ],
)
def test_the_message_shows_the_value(fields: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(request(**fields))
    assert said in caught.value.message and len(caught.value.message) < 200


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [], "tool_choice": "auto"},
        {"logprobs": False, "logit_bias": None},
        {"response_format": {"type": "text"}, "modalities": ["text"]},
        {"n": 1, "stream_options": {"include_usage": True}, "metadata": {"a": "b"}, "store": True},
    ],
)
def test_fields_that_ask_for_nothing_more_are_taken(fields: Any) -> None:
    assert read_request(request(**fields)).prompt.messages[0].content == "2+2"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"messages": NaN}',
        b"\xff\xfe",
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_request(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    "temperature top_p top_k min_p seed stop max_tokens n model messages stream x_tierchat".split()
)


@settings(max_examples=300, deadline=None)
@given(fields=st.dictionaries(FIELDS, JSON, max_size=4))
def test_any_field_value_is_taken_or_refused_never_a_crash(fields: dict[str, Any]) -> None:
    try:
        read_request(request(**fields))
    except InvalidRequest as error:
        assert error.message


def test_a_completion_has_the_answer_the_thought_and_the_facts() -> None:
    found = completion("id", 0, outcome())
    (choice,) = found["choices"]
    assert choice["message"]["content"] == "4" and choice["finish_reason"] == "stop"
    assert choice["message"]["reasoning_content"] == "two and two"
    assert found["usage"]["total_tokens"] == 6
    assert found["usage"]["prompt_tokens_details"]["cached_tokens"] == 2
    assert found["x_tierchat"]["tier"] == "XS" and "answer" not in found["x_tierchat"]


def test_an_unanswered_prompt_is_a_refusal() -> None:
    (choice,) = completion("id", 0, outcome("unanswered"))["choices"]
    assert choice["message"]["content"] is None and choice["message"]["refusal"] == "nobody knows"


def test_chunks_carry_deltas_and_the_last_one_the_facts() -> None:
    def delta(event: Any) -> dict[str, Any]:
        return chunk("id", 0, event)["choices"][0]["delta"]  # type: ignore[no-any-return]

    assert delta(AnswerDelta(text="4")) == {"content": "4"}
    assert delta(ThoughtDelta(tier="S", text="hm")) == {"reasoning_content": "hm"}
    last = chunk("id", 0, Done(outcome=outcome()))
    assert last["choices"][0]["finish_reason"] == "stop" and last["usage"]["total_tokens"] == 6
    assert last["x_tierchat"]["outcome"]["tier"] == "XS"


def test_errors_name_field_and_hint() -> None:
    found = error_body(InvalidRequest("n: too many", "ask once", param="n"))["error"]
    assert found["param"] == "n" and found["hint"] == "ask once"
    assert found["type"] == "invalid_request_error"


def test_a_chunk_is_read_back_as_the_event_it_was_made_of() -> None:
    hop = Hop(visit=Visit(tier="XS", model="xs", reason="hard"), target="S")
    for event in (AnswerDelta(text="4"), ThoughtDelta(tier="S", text="hm"), hop):
        assert read_chunk(msgspec.json.encode(chunk("id", 0, event))) == [event]


def test_a_kind_of_event_that_a_newer_daemon_has_added_is_passed_over() -> None:
    data = b'{"choices":[{"delta":{}}],"x_tierchat":{"type":"added_later","key":1}}'
    assert read_chunk(data) == []


def test_an_error_is_read_back_as_the_error_it_was_made_of() -> None:
    body = msgspec.json.encode(error_body(Overloaded("full", "soon", retry_after_s=7)))
    found = read_error(body, 503)
    assert isinstance(found, Overloaded)
    assert (found.message, found.hint, found.retry_after_s) == ("full", "soon", 7)
    with pytest.raises(Overloaded, match="full"):
        read_chunk(body)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error":null}', b'{"error":{"code":"x"}}'])
def test_an_error_without_a_message_is_reported_with_its_status(body: bytes) -> None:
    found = read_error(body, 502)
    assert isinstance(found, DaemonUnreachable) and "502" in found.message
