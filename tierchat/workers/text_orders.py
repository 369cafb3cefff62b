"""Orders about texts that are not answered: counted, spelled, or turned into vectors.

Values only; `protocol.py` carries them.
"""

from __future__ import annotations

from typing import Literal

from tierchat.outcomes import Usage
from tierchat.tool_calls import ToolUse
from tierchat.types import Frozen, Message, TokenId

Pooling = Literal["mean", "first", "last"]


class Tokenize(Frozen, frozen=True, tag="tokenize"):
    """Turn a text into tokens.

    With `adds_special` the tokens are there with which texts of this model begin or end; with
    `parses_special` the names of control tokens become these.
    """

    id: int
    text: str
    adds_special: bool = False
    parses_special: bool = False
    is_background: bool = False


class Detokenize(Frozen, frozen=True, tag="detokenize"):
    """Spell tokens."""

    id: int
    tokens: tuple[TokenId, ...]
    is_background: bool = False


class Embed(Frozen, frozen=True, tag="embed"):
    """Turn a text, or tokens, into one vector."""

    id: int
    text: str = ""
    tokens: tuple[TokenId, ...] = ()
    is_background: bool = False


class Count(Frozen, frozen=True, tag="count"):
    """Write a conversation as the model reads it, and return its tokens."""

    id: int
    messages: tuple[Message, ...]
    tools: ToolUse = ToolUse()
    think: bool | None = None
    is_background: bool = False


class Tokenized(Frozen, frozen=True, tag="tokenized"):
    """Tokens and the bytes of each."""

    id: int
    tokens: tuple[TokenId, ...]
    pieces: tuple[bytes, ...]


class Embedded(Frozen, frozen=True, tag="embedded"):
    """A vector of length 1, as little-endian float32.

    `pooling` says how it was made of the final hidden states: as the file says (`is_own`), or as
    their mean.
    """

    id: int
    vector: bytes
    pooling: Pooling
    is_own: bool
    usage: Usage


TextOrder = Tokenize | Detokenize | Embed | Count
TextResult = Tokenized | Embedded
