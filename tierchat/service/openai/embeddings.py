"""OpenAI's embeddings JSON: texts or tokens in, one vector for each out.

Does not know HTTP or models. Shapes follow
https://platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.errors import InvalidRequest
from tierchat.service.requests.field_rules import HARMLESS, ignored, options_of
from tierchat.service.requests.json_body import decoded, fields_of
from tierchat.service.texts.tier_texts import NamedTier
from tierchat.types import TierOptions, TokenId
from tierchat.workers.text_orders import Embedded

_MAX_INPUTS = 2048
_Piece = str | TokenId | list[TokenId]


class EmbeddingBody(msgspec.Struct, kw_only=True):
    """The body of a request."""

    input: str | Annotated[list[_Piece], msgspec.Meta(min_length=1)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = DEFAULT_MODEL
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    user: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    x_tierchat: dict[str, Any] = msgspec.field(default_factory=dict)


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """The texts, or tokens, of which vectors are wanted, and how they are written."""

    pieces: tuple[str | tuple[int, ...], ...]
    options: TierOptions
    is_base64: bool
    dimensions: int | None
    user: str | None
    notices: tuple[str, ...]


def read_embedding_request(body: bytes) -> EmbeddingRequest:
    """Decode and check a request; raises InvalidRequest naming the field."""
    raw = fields_of(body)
    asked: EmbeddingBody = decoded(msgspec.json.encode(raw), EmbeddingBody)
    return EmbeddingRequest(
        pieces=pieces_of(asked.input, "input", _MAX_INPUTS),
        options=options_of(asked.model, asked.x_tierchat),
        is_base64=asked.encoding_format == "base64",
        dimensions=asked.dimensions,
        user=asked.user,
        notices=tuple(ignored(raw, (*EmbeddingBody.__struct_fields__, *HARMLESS))),
    )


def pieces_of(
    given: str | list[_Piece], field: str, max_pieces: int
) -> tuple[str | tuple[int, ...], ...]:
    """Return texts and lists of tokens; raises InvalidRequest where one is empty, or kinds mix."""
    if isinstance(given, str):
        given = [given]
    numbers = [piece for piece in given if isinstance(piece, int)]
    if numbers and len(numbers) < len(given):
        raise InvalidRequest(
            f"{field}: a list holds ids of tokens, or texts and lists of ids, not both", param=field
        )
    if numbers:
        return (tuple(numbers),)
    if len(given) > max_pieces:
        raise InvalidRequest(
            f"{field}: there are {len(given):,} texts, more than {max_pieces:,}",
            "send several requests",
            param=field,
        )
    if any(piece in ("", []) for piece in given):
        raise InvalidRequest(f"{field}: a text is empty", "leave it out", param=field)
    return tuple(
        piece if isinstance(piece, str) else tuple(piece)
        for piece in given
        if not isinstance(piece, int)
    )


def embedding_list(
    asked: EmbeddingRequest, tier: NamedTier, found: Sequence[Embedded]
) -> dict[str, Any]:
    """Write the vectors; raises InvalidRequest for another number of dimensions than theirs."""
    num_tokens = sum(each.usage.prompt_tokens for each in found)
    size = len(found[0].vector) // 4
    if asked.dimensions not in (None, size):
        raise InvalidRequest(
            f"dimensions = {asked.dimensions}: the vectors of {tier.model} have {size}",
            "leave the field out",
            param="dimensions",
        )
    notices = list(asked.notices)
    if not found[0].is_own:
        notices.append(
            f"{tier.model} was not trained for embeddings: these are the means of its final "
            "hidden states"
        )
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _written(each.vector, is_base64=asked.is_base64),
            }
            for index, each in enumerate(found)
        ],
        "model": tier.model,
        "usage": {"prompt_tokens": num_tokens, "total_tokens": num_tokens},
        "x_tierchat": {
            "cascade": tier.cascade,
            "tier": tier.tier,
            "model": tier.model,
            "pooling": found[0].pooling,
            "notices": notices,
        },
    }


def _written(vector: bytes, *, is_base64: bool) -> str | list[float]:
    if is_base64:
        return base64.b64encode(vector).decode()
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
