"""The OpenAPI 3.1 description of all routes, made of the types that read requests.

Does not know HTTP servers; https://spec.openapis.org/oas/v3.1.0 says what the parts mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.conversations.changes import LogChange
from tierchat.service.anthropic.messages_format import CountBody, MessagesBody
from tierchat.service.description import claude_shapes as claude
from tierchat.service.description import response_shapes as responses
from tierchat.service.description import shapes
from tierchat.service.description import text_shapes as texts
from tierchat.service.messages import (
    DaemonStatus,
    HealthReport,
    LoadReport,
    ModelsChange,
    RowsChanged,
    ServeStatus,
)
from tierchat.service.network.order import ServeOrder
from tierchat.service.openai.embeddings import EmbeddingBody
from tierchat.service.openai.text_format import TextBody
from tierchat.service.openai_format import ChatBody
from tierchat.service.requests.sampling_fields import SAMPLING_NAMES, SAMPLING_TYPES
from tierchat.service.responses.responses_format import ResponseBody
from tierchat.service.texts.tokens import DetokenizeBody, TokenizeBody
from tierchat.types import SAMPLING_ALIASES, TierOptions

_SCHEMAS = "#/components/schemas/{name}"
_JSON, _EVENTS = "application/json", "text/event-stream"


@dataclass(frozen=True)
class Operation:
    """One route: what it takes and gives. `events` are the lines of a stream, if it has one."""

    method: str
    path: str
    summary: str
    reply: Any
    body: Any = None
    events: Any = None
    status: int = 200
    media: str = _JSON
    error: Any = shapes.ErrorReply


def _with_sampling(name: str, body: type[msgspec.Struct]) -> Any:
    """Return the type of a body with the fields that say how tokens are drawn."""
    fields: list[tuple[str, Any, Any]] = []
    for field in SAMPLING_NAMES:
        kind = SAMPLING_TYPES[SAMPLING_ALIASES.get(field, field)]
        fields.append((field, kind | None, None))
    options: Any = TierOptions | None
    fields.append(("x_tierchat", options, None))
    doc = {"__doc__": (body.__doc__ or "").split("\n")[0]}
    return msgspec.defstruct(name, fields, bases=(body,), kw_only=True, namespace=doc)


def operations() -> tuple[Operation, ...]:
    """Return all routes."""
    chat = _with_sampling("ChatCompletionRequest", ChatBody)
    text = _with_sampling("CompletionRequest", TextBody)
    reports = tuple[LoadReport, ...]
    return (
        Operation(
            "POST",
            "/v1/chat/completions",
            "Answer a conversation",
            shapes.ChatCompletion,
            chat,
            shapes.ChatChunk,
        ),
        Operation(
            "POST",
            "/v1/completions",
            "Continue a text",
            shapes.TextCompletion,
            text,
            shapes.TextChunk,
        ),
        Operation(
            "POST",
            "/v1/responses",
            "Answer a conversation, as items",
            responses.ResponseReply,
            ResponseBody,
            responses.ResponseEvent,
        ),
        Operation("GET", "/v1/responses/{id}", "Find a response", responses.ResponseReply),
        Operation("DELETE", "/v1/responses/{id}", "Forget a response", responses.Forgotten),
        Operation(
            "POST",
            "/v1/messages",
            "Answer a conversation, for Anthropic's clients",
            claude.AnthropicMessage,
            MessagesBody,
            claude.AnthropicEvent,
            error=claude.AnthropicError,
        ),
        Operation(
            "POST",
            "/v1/messages/count_tokens",
            "Count the tokens of a conversation",
            claude.TokenCount,
            CountBody,
            error=claude.AnthropicError,
        ),
        Operation(
            "POST",
            "/v1/embeddings",
            "Turn texts into vectors",
            texts.EmbeddingList,
            EmbeddingBody,
        ),
        Operation("POST", "/tokenize", "Find the tokens of a text", texts.TokenList, TokenizeBody),
        Operation(
            "POST", "/detokenize", "Find the text of tokens", texts.TextOfTokens, DetokenizeBody
        ),
        Operation("GET", "/tokenizer_info", "Describe a tokenizer", texts.TokenizerFacts),
        Operation("GET", "/v1/models", "List the models", shapes.ModelList),
        Operation("GET", "/v1/models/{id}", "Find a model by its name", shapes.ModelObject),
        Operation("GET", "/openapi.json", "Describe the endpoint", shapes.Anything),
        Operation("GET", "/health", "Let a tier write one token", HealthReport),
        Operation("GET", "/metrics", "Count for Prometheus", str, media="text/plain"),
        Operation("GET", "/healthz", "Say whether the daemon runs", shapes.State),
        Operation("GET", "/tierchat/status", "Describe the daemon", DaemonStatus),
        Operation("POST", "/tierchat/load", "Load models", reports, ModelsChange),
        Operation("POST", "/tierchat/unload", "Unload models", reports, ModelsChange),
        Operation("POST", "/tierchat/reload", "Read the settings again", shapes.State),
        Operation("POST", "/tierchat/log", "Change the log", RowsChanged, LogChange),
        Operation("POST", "/tierchat/serve", "Listen on TCP", ServeStatus, ServeOrder),
        Operation("POST", "/tierchat/unserve", "End listening on TCP", shapes.WasServing),
        Operation("POST", "/tierchat/shutdown", "Stop the daemon", shapes.State, status=202),
    )


def description() -> dict[str, Any]:
    """Return the description of the endpoint."""
    routes = operations()
    kinds = [kind for route in routes for kind in _kinds(route)]
    made, named = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS)
    found, components = _with_plain_names(list(made), named)
    schemas = dict(zip(map(_key, kinds), found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tierchat",
            "version": __version__,
            "summary": "Each prompt is answered by the smallest model that can.",
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`tierchat serve --show-key` prints it; asked for over TCP only",
                }
            },
        },
    }


def _operation(route: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    content = {route.media: {"schema": schemas[_key(route.reply)]}}
    if route.events is not None:
        content[_EVENTS] = {"schema": schemas[_key(route.events)]}
    described: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{''.join(map(str.title, _words(route.path)))}",
        "responses": {
            str(route.status): {"description": route.summary, "content": content},
            "default": {
                "description": "What went wrong",
                "content": {_JSON: {"schema": schemas[_key(route.error)]}},
            },
        },
    }
    if route.body is not None:
        body = {"required": True, "content": {_JSON: {"schema": schemas[_key(route.body)]}}}
        described["requestBody"] = body
    if "{id}" in route.path:
        described["parameters"] = [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return described


def _with_plain_names(
    found: list[Any], components: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Call schemas by the bare names of their types; equal names have the module before them."""
    bare = {name: name.rpartition(".")[2].lstrip("_") for name in components}
    plain = {
        name: word
        if list(bare.values()).count(word) == 1
        else "".join(map(str.title, re.findall("[A-Za-z]+", ".".join(name.split(".")[-2:]))))
        for name, word in bare.items()
    }
    refs = {_SCHEMAS.format(name=old): _SCHEMAS.format(name=new) for old, new in plain.items()}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [renamed(inner) for inner in value]
        return refs.get(value, value) if isinstance(value, str) else value

    schemas = {plain[name]: renamed(schema) for name, schema in components.items()}
    return renamed(found), schemas


def _kinds(route: Operation) -> Iterable[Any]:
    return (
        kind for kind in (route.reply, route.body, route.events, route.error) if kind is not None
    )


def _key(kind: Any) -> str:
    return repr(kind)


def _words(path: str) -> list[str]:
    return [word for part in path.split("/") for word in part.strip("{}").split(".") if word]
