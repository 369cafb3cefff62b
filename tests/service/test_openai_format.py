"""OpenAI's JSON in and out."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierchat.cascade.ledger import Ledger
from tierchat.errors import DaemonUnreachable, InvalidRequest, Overloaded
from tierchat.events import AnswerDelta, Done, Hop, ThoughtDelta
from tierchat.outcomes import Outcome, Usage, Visit
from tierchat.service.openai.reading import read_chunk, read_error
from tierchat.service.openai_format import ChatBody, read_request, write_request
from tierchat.service.openai_replies import chunk, completion, error_body
from tierchat.service.requests.sampling_fields import SAMPLING_NAMES
from tierchat.types import Message, Prompt, Sampling, SaveOptions, TierOptions

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


def test_parts_of_text_are_lines_and_developers_are_systems() -> None:
    texts = ("2+", None, "", "2")
    parts = [{"type": "text", "text": text} for text in texts]
    turns = [{"role": "developer", "content": "d"}, {"role": "user", "content": parts}]
    found = read_request(request(messages=turns)).prompt.messages
    assert [(m.role, m.content) for m in found] == [("system", "d"), ("user", "2+\n2")]


def test_an_assistant_message_at_the_end_begins_the_answer() -> None:
    turns = [USER, {"role": "assistant", "content": "The sum"}]
    assert read_request(request(messages=turns)).prompt.messages[-1].content == "The sum"


def test_system_text_may_stand_behind_the_question() -> None:
    messages = [USER, {"role": "system", "content": "be brief"}]
    assert [m.role for m in read_request(request(messages=messages)).prompt.messages] == [
        "user",
        "system",
    ]


def test_a_switch_for_thinking_may_be_a_value_for_the_template() -> None:
    given: Any = {"chat_template_kwargs": {"enable_thinking": False, "other": 1}}
    assert read_request(request(**given)).prompt.think is False
    assert read_request(request(**given, enable_thinking=True)).prompt.think is True


def test_the_model_field_names_cascade_and_tier() -> None:
    options = read_request(request(model="pocket/S")).prompt.options
    assert (options.cascade, options.tier) == ("pocket", "S")
    assert read_request(request(model="tierchat")).prompt.options.cascade is None
    options = read_request(request(model="tierchat/S")).prompt.options
    assert (options.cascade, options.tier) == (None, "S")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": -3}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"n_predict": -3}, "n_predict"),
        ({"grammar": "root ::= [a-z]"}, "grammar"),
        ({"guided_choice": ["a", "b"]}, "guided_choice"),
        ({"chat_template_kwargs": {"enable_thinking": 5}}, "chat_template_kwargs.enable_thinking"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"top_k": -2}, "top_k"),
        ({"seed": 2**64}, "seed"),
        ({"mirostat": 3}, "mirostat"),
        ({"samplers": ["top_k", "topp"]}, "samplers[1]"),
        ({"dry_sequence_breakers": ["x" * 41]}, "dry_sequence_breakers[0]"),
        ({"n": 10**9}, "n"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": [5]}, "stop[0]"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"logit_bias": {"5": 99999999}}, "logit_bias"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"logit_bias": {"word": 1}}, "logit_bias"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": 5}, "logprobs"),
        ({"reasoning_effort": "most"}, "reasoning_effort"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"verbosity": "low"}, "verbosity"),
        ({"n": 2, "x_tierchat": {"save": {"conversation": "a" * 8, "exchange": "b" * 8}}}, "n"),
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
        ({"x_tierchat": {"save": {"conversation": "?"}}}, "x_tierchat.save.conversation"),
        ({"x_tierchat": 5}, "x_tierchat"),
        ({"x_tierchat": json.loads('{"a":' * 900 + "1" + "}" * 900)}, "x_tierchat"),
    ],
)
def test_every_bound_is_refused_by_the_name_of_its_field(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(request(**fields))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_tokens": -3}, "max_tokens = -3: must be a whole number from -2 to 2147483647"),
        ({"temperature": "hot"}, 'temperature = "hot": must be a number from 0 to 10'),
        ({"temperature": 1e300}, "temperature = 1e+300: must be a number from 0 to 10"),
        ({"top_k": 1.5}, "top_k = 1.5: must be a whole number from -1 to"),
        ({"stream": "yes"}, 'stream = "yes": must be true or false'),
        ({"stop": ["ok", 5]}, "stop[1] = 5: must be a text of at most 256 characters"),
        ({"x_tierchat": {"hold": "z"}}, 'x_tierchat.hold = "z": must be one of answer, first'),
        (
            {"x_tierchat": {"quality": 2}},
            "x_tierchat.quality = 2: must be one of balanced, best, frugal",
        ),
        ({"messages": 5}, "messages = 5: must be a list"),
        ({"messages": None}, "messages is missing"),
        ({"messages": [USER, {"role": "user", "content": [{}]}]}, "messages[1].content[0].type is"),
        ({"n": 17}, "n = 17: must be a whole number from 1 to 16"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "no tier here sees images",
        ),
        (
            {"messages": [{**USER, "images": ["AA=="]}]},
            "messages[0].images cannot be read: no tier",
        ),
        ({"messages": [{**USER, "audio": {"id": "x"}}]}, "messages[0].audio cannot be read"),
        (
            {"messages": [USER, {"role": "assistant", "function_call": {"name": "f"}}, USER]},
            "messages[1].function_call cannot be read: calls are in tool_calls",
        ),
        ({"image_data": [{"id": 1}]}, 'image_data = [{"id": 1}] is not supported'),
        ({"user": "u" * 300}, "uuu…:"),
        ({"audio": {"voice": "x"}}, 'audio = {"voice": "x"} is not'),
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
        {"logprobs": False, "logit_bias": None, "grammar": ""},
        {"response_format": {"type": "text"}, "modalities": ["text"]},
        {"n": 1, "stream_options": {"include_usage": True}, "metadata": {"a": "b"}, "store": True},
        {"verbosity": "medium", "service_tier": "auto", "prompt_cache_key": "k", "user": "u"},
    ],
)
def test_fields_that_ask_for_nothing_more_are_taken(fields: Any) -> None:
    found = read_request(request(**fields))
    assert found.prompt.messages[0].content == "2+2" and found.notices == ()


def test_a_field_that_nobody_knows_is_ignored_aloud() -> None:
    found = read_request(request(temprature=0.2, zzz=1)).notices
    assert found == (
        "temprature was ignored: did you mean `temperature`?",
        "zzz was ignored: tierchat does not know this field",
    )


def test_so_many_unknown_fields_that_nobody_meant_are_counted() -> None:
    began_s = time.process_time()
    found = read_request(request(**{f"max_tokenz{index}": 0 for index in range(2_000)})).notices
    assert len(found) == 17 and "1,984 more fields were ignored" in found[-1]
    calls = [{"id": f"call_{index}", "function": {"name": "f"}} for index in range(10_000)]
    asked = [USER, {"role": "assistant", "tool_calls": calls}]
    result = {"role": "tool", "content": "x", "tool_call_id": "call_x"}
    with pytest.raises(InvalidRequest, match="no earlier message"):
        read_request(request(messages=[*asked, result]))
    # Comparing each with each would be 10 s and more.
    assert time.process_time() - began_s < 2


def test_each_choice_of_a_seeded_request_has_a_seed_of_its_own() -> None:
    found = read_request(request(n=3, seed=2**32 - 1))
    assert [prompt.sampling.seed for prompt in found.prompts()] == [2**32 - 1, 0, 1]
    assert [p.sampling.seed for p in read_request(request(n=2)).prompts()] == [None, None]


def test_logprobs_and_biases_are_read() -> None:
    found = read_request(request(logprobs=True, top_logprobs=3, logit_bias={"7": -100})).prompt
    assert found.logprobs == 3 and found.sampling.logit_bias == {7: -100.0}
    assert read_request(request(logprobs=True)).prompt.logprobs == 0
    assert read_request(write_request(found)).prompt == found


@pytest.mark.parametrize(
    ("effort", "quality", "think", "no_escalate"),
    [
        ("none", None, False, False),
        ("minimal", "frugal", False, True),
        ("low", "frugal", None, False),
        ("medium", None, None, False),
        ("high", "best", True, False),
    ],
)
def test_an_effort_chooses_tiers_and_thoughts(
    effort: str, quality: str | None, think: bool | None, no_escalate: bool
) -> None:
    found = read_request(request(reasoning_effort=effort)).prompt
    assert (found.options.quality, found.think) == (quality, think)
    assert found.options.no_escalate is no_escalate


def test_what_a_request_says_itself_wins_over_its_effort() -> None:
    asked = {"quality": 0.9, "min_tier": "S"}
    fields: Any = {"reasoning_effort": "minimal", "enable_thinking": True, "x_tierchat": asked}
    found = read_request(request(**fields)).prompt
    assert found.think is True and not found.options.no_escalate
    assert (found.options.quality, found.options.min_tier) == (0.9, "S")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"messages": NaN}',
        b"\xff\xfe",
        b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_request(body)


@pytest.mark.parametrize("name", [*ChatBody.__struct_fields__, *SAMPLING_NAMES])
def test_null_stands_for_every_field_that_is_left_out(name: str) -> None:
    if name != "messages":
        assert read_request(request(**{name: None})) == read_request(request())


@pytest.mark.parametrize("name", TierOptions.__struct_fields__)
def test_null_stands_for_every_option_that_is_left_out(name: str) -> None:
    found = read_request(request(x_tierchat={name: None}))
    assert found == read_request(request())


@pytest.mark.parametrize("name", SaveOptions.__struct_fields__)
def test_null_stands_for_what_is_left_out_within_an_option(name: str) -> None:
    save = {"conversation": "c" * 8, "exchange": "e" * 8}
    if name not in save:
        found = read_request(request(x_tierchat={"save": {**save, name: None}}))
        assert found == read_request(request(x_tierchat={"save": save}))


def test_null_within_a_schema_stays() -> None:
    schema = {"enum": [None, 1], "default": None}
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": None}}
    found = read_request(request(response_format=asked)).prompt.sampling.json_schema
    assert json.loads(found or "") == schema


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": -1}, Sampling(max_tokens=-1)),
        ({"max_tokens": 0}, Sampling(max_tokens=0)),
        ({"n_predict": 5}, Sampling(max_tokens=5)),
        ({"num_predict": -2}, Sampling(max_tokens=-2)),
        ({"max_new_tokens": 7, "rep_pen": 1.1}, Sampling(max_tokens=7, repeat_penalty=1.1)),
        ({"mirostat_mode": 2, "typical": 0.5}, Sampling(mirostat=2, typical_p=0.5)),
        ({"seed": 7.0, "n": 1.0}, Sampling(seed=7)),
        ({"max_completion_tokens": 5, "max_tokens": 9}, Sampling(max_tokens=5)),
        ({"max_tokens": 5.0, "top_k": 40.0}, Sampling(max_tokens=5, top_k=40)),
        ({"top_k": -1, "top_p": 0, "min_p": 0}, Sampling(top_k=-1, top_p=0, min_p=0)),
        ({"repetition_penalty": 1.1}, Sampling(repeat_penalty=1.1)),
        ({"repeat_penalty": 1, "repeat_last_n": -1}, Sampling(repeat_penalty=1, repeat_last_n=-1)),
        ({"typical_p": 1, "top_n_sigma": -1}, Sampling(typical_p=1, top_n_sigma=-1)),
        (
            {"dry_multiplier": 0.8, "dry_base": 1.75, "dry_allowed_length": 2},
            Sampling(dry_multiplier=0.8, dry_base=1.75, dry_allowed_length=2),
        ),
        (
            {"dry_penalty_last_n": -1, "dry_sequence_breakers": ["\n", ":"]},
            Sampling(dry_penalty_last_n=-1, dry_sequence_breakers=("\n", ":")),
        ),
        ({"xtc_probability": 0.5, "xtc_threshold": 0.1}, None),
        ({"mirostat": 2, "mirostat_tau": 5, "mirostat_eta": 0.1}, None),
        ({"dynatemp_range": 0.5, "dynatemp_exponent": 1}, None),
        ({"samplers": ["top_k", "temperature"]}, Sampling(samplers=("top_k", "temperature"))),
        ({"seed": -1}, Sampling(seed=-1)),
        ({"seed": 2**32 + 5}, Sampling(seed=5)),
        ({"seed": -(2**63)}, Sampling(seed=0)),
        ({"stop": ""}, Sampling()),
        ({"stop": ["", "x"]}, Sampling(stop=("x",))),
    ],
)
def test_what_local_clients_send_is_taken(fields: Any, expected: Sampling | None) -> None:
    found = read_request(request(**fields)).prompt.sampling
    assert found == (expected or Sampling(**fields))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb"a\ud800b", "a\ufffdb"),
        (rb"a\uDFFFb", "a\ufffdb"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\ud800", r"\ud800"),
        (rb"\\\ud800", "\\\ufffd"),
        (rb"\ud83", None),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced(sent: bytes, read: str | None) -> None:
    body = b'\xef\xbb\xbf{"messages":[{"role":"user","content":"x%b"}]}' % sent
    if read is None:
        with pytest.raises(InvalidRequest, match="not JSON"):
            read_request(body)
    else:
        assert read_request(body).prompt.messages[0].content == f"x{read}"


@pytest.mark.parametrize(
    ("rest", "param", "said"),
    [
        (b'"top_k":1,"top_k":2', "top_k", "top_k is there twice"),
        (b'"x_tierchat":{"tier":"S","tier":"M"}', "tier", "tier is there twice"),
        (b'"temperature":NaN', "temperature", "temperature = NaN: JSON has no such number"),
        (b'"top_p":-Infinity', "top_p", "top_p = -Infinity: JSON has no"),
        (b'"temperature":1e400', "temperature", "temperature = 1e400: must be a number from 0"),
        (b'"seed":%b' % (b"9" * 5_000), "seed", "9…: must be a whole number"),
        (b'"user":"\xff"', None, "the body is not UTF-8: byte 0xff at 54"),
    ],
)
def test_what_parsers_take_differently_is_refused_by_name(
    rest: bytes, param: str | None, said: str
) -> None:
    body = b'{"messages":[{"role":"user","content":"2+2"}]' + b" " * 6 + b"," + rest + b"}"
    with pytest.raises(InvalidRequest) as caught:
        read_request(body)
    assert said in caught.value.message and caught.value.param == param


def test_an_unknown_option_gets_the_nearest() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(request(x_tierchat={"tyer": "S"}))
    assert "unknown field `tyer`" in caught.value.message
    assert caught.value.hint == "did you mean `tier`?"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from([*ChatBody.__struct_fields__, *SAMPLING_NAMES])


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


@pytest.mark.parametrize("quality", ["frugal", "balanced", "best", 0.95, 1])
def test_a_quality_is_a_name_or_a_share(quality: str | float) -> None:
    sent = read_request(request(x_tierchat={"quality": quality, "max_wait_s": 2.5})).prompt
    assert sent.options.quality == quality and sent.options.max_wait_s == 2.5
    assert read_request(write_request(sent)).prompt.options == sent.options


@pytest.mark.parametrize("wait", [0, -1, "10s", 1e9])
def test_a_wait_is_a_number_of_seconds(wait: object) -> None:
    with pytest.raises(InvalidRequest, match="max_wait_s"):
        read_request(request(x_tierchat={"max_wait_s": wait}))
