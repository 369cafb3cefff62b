"""The routes /tokenize and /detokenize: llama-server's names, and vLLM's for the same.

Does not know HTTP or models.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tierchat.config.names import DEFAULT_MODEL
from tierchat.errors import InvalidRequest
from tierchat.types import TokenId
from tierchat.workers.text_orders import Tokenized

_MAX_TOKENS = 1_000_000


class TokenizeBody(msgspec.Struct, kw_only=True):
    """A text whose tokens are wanted; names and defaults are llama-server's.

    With `parse_special` the names of control tokens become these. vLLM's clients say `prompt` and
    `add_special_tokens`.
    """

    content: str | None = None
    prompt: str | None = None
    model: Annotated[str, msgspec.Meta(max_length=256)] = DEFAULT_MODEL
    add_special: bool = False
    add_special_tokens: bool | None = None
    parse_special: bool = True
    with_pieces: bool = False

    @property
    def text(self) -> str:
        """The text; raises InvalidRequest without one."""
        text = self.prompt if self.content is None else self.content
        if text is None:
            raise InvalidRequest("content is missing", "send a text", param="content")
        return text

    @property
    def adds_special(self) -> bool:
        asked = self.add_special_tokens
        return self.add_special if asked is None else asked


class DetokenizeBody(msgspec.Struct, kw_only=True):
    """Tokens whose text is wanted."""

    tokens: Annotated[list[TokenId], msgspec.Meta(max_length=_MAX_TOKENS)]
    model: Annotated[str, msgspec.Meta(max_length=256)] = DEFAULT_MODEL


def written_tokens(found: Tokenized, *, with_pieces: bool) -> dict[str, Any]:
    """Write tokens, with the text of each if it is wanted; bytes that are no text as numbers."""
    tokens: list[Any] = list(found.tokens)
    if with_pieces:
        pairs = zip(found.tokens, found.pieces, strict=True)
        tokens = [{"id": token, "piece": _piece(raw)} for token, raw in pairs]
    return {"tokens": tokens, "count": len(tokens)}


def written_text(found: Tokenized) -> dict[str, Any]:
    """Write the text of tokens; what is no UTF-8 becomes U+FFFD."""
    text = b"".join(found.pieces).decode(errors="replace")
    return {"content": text, "prompt": text}


def _piece(raw: bytes) -> str | list[int]:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return list(raw)
