"""What a chat completion can be asked for beside its text, over a real socket and real models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import UserHome
from tests.service.test_routes import reply, request


def ask(home: UserHome, text: str = "What is 2+2?", **fields: Any) -> Any:
    status, _, body = reply(home, request(stream=False, text=text, **fields))
    found = json.loads(body)
    assert status == 200, found
    return found


def stream(home: UserHome, text: str = "What is 2+2?", **fields: Any) -> list[Any]:
    _, _, body = reply(home, request(stream=True, text=text, **fields))
    *lines, last, _ = body.split(b"\n\n")
    assert last == b"data: [DONE]"
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def refused(home: UserHome, **fields: Any) -> Any:
    status, _, body = reply(home, request(stream=False, text="What is 2+2?", **fields))
    assert status == 400
    return json.loads(body)["error"]


def text_of(tokens: list[Any]) -> str:
    return bytes(byte for token in tokens for byte in token["bytes"]).decode()


def test_every_choice_has_its_index_and_the_usage_counts_all(home: UserHome) -> None:
    home.start_scripted("3")
    found = ask(home, n=3)
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in found["choices"]} == {"0 1 2 "}
    assert found["usage"] == found["usage"] | {"prompt_tokens": 3, "completion_tokens": 9}
    assert all(choice["x_tierchat"]["tier"] == "XS" for choice in found["choices"])


def test_the_choices_of_a_stream_are_told_apart_by_their_index(home: UserHome) -> None:
    home.start_scripted("3")
    chunks = stream(home, n=2, stream_options={"include_usage": True})
    *chunks, usage = chunks
    texts = {0: "", 1: ""}
    for choice in (chunk["choices"][0] for chunk in chunks):
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == {0: "0 1 2 ", 1: "0 1 2 "}
    roles = [chunk["choices"][0] for chunk in chunks if "role" in chunk["choices"][0]["delta"]]
    assert sorted(choice["index"] for choice in roles) == [0, 1]
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] == 6
    assert all(chunk["usage"] is None for chunk in chunks)


def test_every_chunk_names_the_model_and_what_served_it(home: UserHome) -> None:
    home.start_scripted("2")
    chunks = stream(home)
    assert {chunk["model"] for chunk in chunks} == {"script"}
    assert len({chunk["system_fingerprint"] for chunk in chunks}) == 1
    assert chunks[0]["system_fingerprint"] == ask(home)["system_fingerprint"]


def test_a_field_that_was_ignored_is_told_with_the_answer(home: UserHome) -> None:
    home.start_scripted("2")
    [notice] = ask(home, temprature=1)["x_tierchat"]["notices"]
    assert notice == "temprature was ignored: did you mean `temperature`?"


def test_logprobs_spell_the_answer_whole_and_streamed(warm: UserHome) -> None:
    # A seed, since a prompt that is cached in part has numbers that differ in the last places.
    asked: dict[str, Any] = {"logprobs": True, "top_logprobs": 3, "temperature": 0, "seed": 1}
    found = ask(warm, **asked)["choices"][0]
    tokens = found["logprobs"]["content"]
    assert text_of(tokens) == found["message"]["content"].strip() == "4"
    for token in tokens:
        assert len(token["top_logprobs"]) == 3
        assert token["top_logprobs"][0]["token"] == token["token"]
        assert token["logprob"] == token["top_logprobs"][0]["logprob"] <= 0
    streamed = [chunk["choices"][0] for chunk in stream(warm, **asked)]
    chosen = [t for choice in streamed for t in (choice["logprobs"] or {"content": []})["content"]]
    assert chosen == tokens
    assert ask(warm)["choices"][0]["logprobs"] is None


def test_a_bias_bans_a_token_and_unknown_ids_are_refused(warm: UserHome) -> None:
    asked: dict[str, Any] = {"model": "pocket/XS", "temperature": 0, "logprobs": True}
    [best, *_] = ask(warm, **asked, top_logprobs=1)["choices"][0]["logprobs"]["content"]
    ids = range(2048)
    error = refused(warm, **asked, logit_bias={"99999999": 1})
    assert error["param"] == "logit_bias" and "99999999" in error["message"]
    for start in ids[::256]:
        banned = {str(token): -100 for token in ids[start : start + 256]}
        tokens = ask(warm, **asked, logit_bias=banned, max_tokens=1)["choices"][0]["logprobs"]
        if not tokens["content"] or tokens["content"][0]["token"] != best["token"]:
            break
    else:
        pytest.fail("no ban changed the first token")


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_stop_string_is_never_shown(warm: UserHome, is_stream: bool) -> None:
    asked: dict[str, Any] = {"model": "pocket/S", "temperature": 0, "seed": 1}
    whole = ask(warm, "What is 123+456?", **asked)["choices"][0]["message"]["content"]
    stop = whole.strip()[1:3]
    if is_stream:
        chunks = [
            chunk["choices"][0] for chunk in stream(warm, "What is 123+456?", **asked, stop=stop)
        ]
        text = "".join(choice["delta"].get("content") or "" for choice in chunks)
        reason = chunks[-1]["finish_reason"]
    else:
        choice = ask(warm, "What is 123+456?", **asked, stop=[stop, "zzz"])["choices"][0]
        text, reason = choice["message"]["content"], choice["finish_reason"]
    assert text == whole[: whole.index(stop)] and reason == "stop"
