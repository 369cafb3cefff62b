"""Embeddings, tokens of texts and texts of tokens, from real models."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import msgspec
import pytest

from tests.conftest import UserHome
from tests.service.test_completions import post
from tests.service.test_routes import reply
from tierchat.service.description import text_shapes


def ask(home: UserHome, path: str, **fields: Any) -> Any:
    status, body = post(home, path, **fields)
    found = json.loads(body)
    assert status == 200, found
    return found


def test_texts_and_their_tokens_have_the_same_vectors(warm: UserHome) -> None:
    texts = ["What is 2+2?", "What is 2+3?", "a leap year"]
    found = ask(warm, "/v1/embeddings", model="pocket/S", input=texts)
    vectors = [each["embedding"] for each in found["data"]]
    assert [each["index"] for each in found["data"]] == [0, 1, 2]
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-4) for vector in vectors)
    assert math.dist(vectors[0], vectors[1]) < math.dist(vectors[0], vectors[2])
    facts = found["x_tierchat"]
    assert (facts["tier"], facts["pooling"]) == ("S", "mean") and "means" in facts["notices"][0]
    tokens = ask(
        warm, "/tokenize", model="pocket/S", content=texts[0], add_special=True, parse_special=False
    )["tokens"]
    asked = {"model": "pocket/S", "input": tokens, "encoding_format": "base64"}
    [same] = ask(warm, "/v1/embeddings", **asked)["data"]
    raw = base64.b64decode(same["embedding"])
    assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == pytest.approx(vectors[0], abs=1e-3)


def test_tokens_spell_their_text(warm: UserHome) -> None:
    text = "12 + 30, ü and 😀"
    tokens = ask(warm, "/tokenize", content=text)["tokens"]
    assert ask(warm, "/detokenize", tokens=tokens) == {"content": text, "prompt": text}
    vllm = ask(warm, "/tokenize", prompt=text, add_special_tokens=False)
    assert vllm == {"tokens": tokens, "count": len(tokens)}
    pieces = [
        each["piece"] for each in ask(warm, "/tokenize", content=text, with_pieces=True)["tokens"]
    ]
    raw = b"".join(p.encode() if isinstance(p, str) else bytes(p) for p in pieces)
    assert raw.decode() == text
    control = ask(warm, "/tokenize", content="<|assistant|>")["tokens"]
    plain = ask(warm, "/tokenize", content="<|assistant|>", parse_special=False)["tokens"]
    assert len(control) == 1 < len(plain)


def test_a_tokenizer_is_described_by_the_texts_of_its_tokens(warm: UserHome) -> None:
    head = b"GET /tokenizer_info?model=pocket/S HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, _, body = reply(warm, head)
    found = msgspec.json.decode(body, type=text_shapes.TokenizerFacts)
    assert status == 200 and found.model == "pocket-s"
    assert found.chat_template and found.eos_token
    [eos] = ask(warm, "/tokenize", model="pocket/S", content=found.eos_token)["tokens"]
    assert ask(warm, "/detokenize", tokens=[eos])["content"] == found.eos_token


@pytest.mark.parametrize(
    ("path", "fields", "status", "param"),
    [
        ("/v1/embeddings", {"input": ""}, 400, "input"),
        ("/v1/embeddings", {"input": ["a", 1]}, 400, "input"),
        ("/v1/embeddings", {"input": [[1], [99_999_999]]}, 400, "input"),
        ("/v1/embeddings", {"input": "12 + 3 " * 2000}, 400, "input"),
        ("/v1/embeddings", {"input": "x", "dimensions": 3}, 400, "dimensions"),
        ("/v1/embeddings", {"input": "x", "model": "pocket/Q"}, 404, "model"),
        ("/v1/embeddings", {"input": "x", "model": "nobody"}, 404, "model"),
        ("/detokenize", {"tokens": [99_999_999]}, 400, "tokens"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens[0]"),
        ("/tokenize", {"content": 5}, 400, "content"),
        ("/tokenize", {}, 400, "content"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    warm: UserHome, path: str, fields: Any, status: int, param: str
) -> None:
    found, body = post(warm, path, **fields)
    assert (found, json.loads(body)["error"]["param"]) == (status, param)
