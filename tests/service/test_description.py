"""The description of the endpoint: every route is in it, and real replies have its shapes."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from tests.conftest import UserHome
from tests.service.test_completions import post
from tests.service.test_routes import reply, request
from tierchat.service.description import shapes, text_shapes
from tierchat.service.description.openapi import description, operations
from tierchat.service.routes import Service


def served() -> set[tuple[str, str]]:
    """Return method and path of every route of the application."""
    # The routes do not depend on what the handlers work with.
    app = Service.__new__(Service).app()
    return {
        (method, re.sub(r":path\b", "", route.path))  # type: ignore[attr-defined]
        for route in app.routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def lines(body: bytes) -> list[bytes]:
    *events, last, _ = body.split(b"\n\n")
    assert last == b"data: [DONE]"
    return [event.removeprefix(b"data: ") for event in events]


def test_every_route_is_described_and_no_other() -> None:
    assert {(route.method, route.path) for route in operations()} == served()


def test_every_schema_that_is_referred_to_is_there() -> None:
    found = description()
    text = json.dumps(found)
    refs = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert refs == set(found["components"]["schemas"])
    assert all(re.fullmatch(r"[A-Za-z]+", name) for name in refs)
    ids = re.findall(r'"operationId": "([^"]+)"', text)
    assert len(ids) == len(set(ids)) == len(operations())


def test_the_description_is_served(home: UserHome) -> None:
    home.start_scripted()
    status, _, body = reply(home, get("/openapi.json"))
    assert status == 200 and json.loads(body) == json.loads(json.dumps(description()))


def test_a_chat_has_the_described_shapes(warm: UserHome) -> None:
    asked: dict[str, Any] = {"text": "What is 2+2?", "n": 2, "logprobs": True, "top_logprobs": 1}
    _, _, body = reply(warm, request(stream=False, **asked))
    msgspec.json.decode(body, type=shapes.ChatCompletion)
    usage = {"stream_options": {"include_usage": True}}
    hard = {"text": "What is 17*24?"}
    for fields in (asked, asked | usage, hard | {"x_tierchat": {"progress": True}}):
        _, _, body = reply(warm, request(stream=True, **fields))
        for line in lines(body):
            msgspec.json.decode(line, type=shapes.ChatChunk)


def test_texts_vectors_and_models_have_the_described_shapes(warm: UserHome) -> None:
    asked: dict[str, Any] = {"model": "pocket/S", "prompt": ["1 +", "2 +"], "logprobs": 2}
    _, body = post(warm, "/v1/completions", **asked, echo=True)
    msgspec.json.decode(body, type=shapes.TextCompletion)
    _, body = post(warm, "/v1/completions", **asked, stream=True)
    for line in lines(body):
        msgspec.json.decode(line, type=shapes.TextChunk)
    _, body = post(warm, "/v1/embeddings", model="pocket/S", input="x")
    msgspec.json.decode(body, type=text_shapes.EmbeddingList)
    _, body = post(warm, "/tokenize", content="x y", with_pieces=True)
    msgspec.json.decode(body, type=text_shapes.TokenList)
    msgspec.json.decode(reply(warm, get("/v1/models"))[2], type=shapes.ModelList)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/tokenize", "/nowhere"])
def test_an_error_has_the_described_shape(warm: UserHome, path: str) -> None:
    _, body = post(warm, path)
    msgspec.json.decode(body, type=shapes.ErrorReply)
