"""llama-server's /tokenize and /detokenize: what they read and write.

Does not know HTTP or models.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.types import TokenId
from tierchat.workers.text_orders import Tokenized

_MAX_TOKENS = 1_000_000


class TokenizeBody(msgspec.Struct, kw_only=True):
    """A text whose tokens are wanted; names and defaults are llama-server's.

    With `parse_special` the names of control tokens become these.
    """

    content: str
    model: Annotated[str, msgspec.Meta(max_length=256)] = DEFAULT_MODEL
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False


class DetokenizeBody(msgspec.Struct, kw_only=True):
    """Tokens whose text is wanted."""

    tokens: Annotated[list[TokenId], msgspec.Meta(max_length=_MAX_TOKENS)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = DEFAULT_MODEL


def written_tokens(found: Tokenized, *, with_pieces: bool) -> dict[str, Any]:
    """Write tokens, with the text of each if it is wanted; bytes that are no text as numbers."""
    if not with_pieces:
        return {"tokens": found.tokens}
    pairs = zip(found.tokens, found.pieces, strict=True)
    return {"tokens": [{"id": token, "piece": _piece(raw)} for token, raw in pairs]}


def written_text(found: Tokenized) -> dict[str, Any]:
    """Write the text of tokens; what is no UTF-8 becomes U+FFFD."""
    return {"content": b"".join(found.pieces).decode(errors="replace")}


def _piece(raw: bytes) -> str | list[int]:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return list(raw)
