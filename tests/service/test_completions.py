"""Raw text through /v1/completions: echo, log-probabilities of prompts, tokens, several texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import UserHome
from tests.service.test_routes import reply


def post(home: UserHome, path: str, **fields: Any) -> tuple[int, bytes]:
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    status, _, found = reply(home, head.encode() + body)
    return status, found


def complete(home: UserHome, **fields: Any) -> Any:
    sent = {"model": "pocket/S", "temperature": 0, "seed": 1, **fields}
    status, body = post(home, "/v1/completions", **sent)
    found = json.loads(body)
    assert status == 200, found
    return found


def test_an_echoed_prompt_has_the_logprobs_with_which_it_was_written(warm: UserHome) -> None:
    # The bundled models would end a text that is no question.
    asked: dict[str, Any] = {"logprobs": 2, "ignore_eos": True}
    written = complete(warm, prompt="12 + 30 =", max_tokens=5, **asked)["choices"][0]
    whole = "12 + 30 =" + written["text"]
    found = complete(warm, prompt=whole, max_tokens=0, logprobs=2, echo=True)
    [choice] = found["choices"]
    assert choice["text"] == whole and found["usage"]["completion_tokens"] == 0
    scores, num = choice["logprobs"], len(written["logprobs"]["tokens"])
    assert scores["tokens"][-num:] == written["logprobs"]["tokens"]
    assert scores["token_logprobs"][-num:] == pytest.approx(
        written["logprobs"]["token_logprobs"], abs=0.05
    )
    assert scores["token_logprobs"][0] is None and scores["top_logprobs"][0] is None
    for token, place in list(zip(scores["tokens"], scores["text_offset"], strict=True))[1:]:
        assert whole[place : place + len(token)] == token
    for token, top in list(zip(scores["tokens"], scores["top_logprobs"], strict=True))[1:]:
        assert token in top and 2 <= len(top) <= 3


def test_what_a_likelihood_task_sends_is_answered(warm: UserHome) -> None:
    """lm-eval sends ids of tokens and reads the scores of all but the last, generated one."""
    asked: dict[str, Any] = {"max_tokens": 1, "logprobs": 1, "echo": True}
    texts = complete(warm, prompt="2 + 2 = 4", **asked)["choices"][0]
    ids = [[5, 6, 7, 8], [9, 10, 11]]
    found = complete(warm, prompt=ids, **asked)["choices"]
    assert [len(choice["logprobs"]["tokens"]) for choice in found] == [5, 4]
    assert len(texts["logprobs"]["tokens"]) == len(texts["logprobs"]["top_logprobs"])
    for choice in found:
        assert all(score <= 0 for score in choice["logprobs"]["token_logprobs"][1:])


def test_choices_of_several_texts_are_numbered_one_text_after_the_other(warm: UserHome) -> None:
    found = complete(warm, prompt=["1 + 1 =", "2 + 2 ="], n=2, max_tokens=3, echo=True)
    texts = [choice["text"] for choice in found["choices"]]
    assert [text[:7] for text in texts] == ["1 + 1 =", "1 + 1 =", "2 + 2 =", "2 + 2 ="]
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2, 3]


def test_a_stream_is_the_whole_in_pieces(warm: UserHome) -> None:
    asked: dict[str, Any] = {"prompt": "3 + 4 =", "echo": True, "logprobs": 1, "max_tokens": 4}
    whole = complete(warm, **asked)["choices"][0]
    _, body = post(
        warm, "/v1/completions", model="pocket/S", temperature=0, seed=1, stream=True,
        stream_options={"include_usage": True}, **asked,
    )  # fmt: skip
    *lines, last, _ = body.split(b"\n\n")
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    assert last == b"data: [DONE]" and chunks[-1]["choices"] == []
    choices = [chunk["choices"][0] for chunk in chunks[:-1]]
    assert "".join(choice["text"] for choice in choices) == whole["text"]
    for key in ("tokens", "token_logprobs", "text_offset"):
        pieces = [choice["logprobs"][key] for choice in choices if choice["logprobs"]]
        assert [item for piece in pieces for item in piece] == whole["logprobs"][key]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "suffix": "y"}, "suffix"),
        ({"prompt": "x", "best_of": 4}, "best_of"),
        ({"prompt": "x", "n": 0}, "n"),
        ({"prompt": "x", "logprobs": 21}, "logprobs"),
        ({"prompt": "x", "max_tokens": -5}, "max_tokens"),
        ({"prompt": [1, 999_999]}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": ["x"] * 2049}, "prompt"),
        ({"prompt": ["x"] * 129, "n": 16}, "prompt"),
        ({"prompt": "x", "images": ["AA=="]}, "images"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": "x", "x_tierchat": {"save": {"conversation": "a" * 8, "exchange": "b" * 8}}},
         "x_tierchat.save"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(warm: UserHome, fields: Any, param: str) -> None:
    status, body = post(warm, "/v1/completions", **{"model": "pocket/S", **fields})
    assert status == 400 and json.loads(body)["error"]["param"] == param
