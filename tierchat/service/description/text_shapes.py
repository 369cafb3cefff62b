"""The shapes of vectors and tokens of texts, as the description of the endpoint has them.

Does not know how replies are written; `tests/service/test_description.py` reads real ones as these.
"""

from __future__ import annotations

from typing import Literal

from tierchat.service.description.shapes import Shape


class Vector(Shape):
    """One vector: numbers, or their float32 bytes in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class VectorsUsed(Shape):
    """Tokens of the texts."""

    prompt_tokens: int
    total_tokens: int


class VectorFacts(Shape):
    """The tier that made the vectors, and how."""

    cascade: str
    tier: str
    model: str
    pooling: Literal["mean", "first", "last"]
    notices: list[str]


class EmbeddingList(Shape):
    """Vectors in the order of their texts."""

    object: Literal["list"]
    data: list[Vector]
    model: str
    usage: VectorsUsed
    x_tierchat: VectorFacts


class TokenPiece(Shape):
    """A token and its text; bytes that are no text as numbers."""

    id: int
    piece: str | list[int]


class TokenList(Shape):
    """The tokens of a text."""

    tokens: list[int | TokenPiece]
    count: int


class TokenizerFacts(Shape):
    """The chat template of a model, and the tokens that such templates ask for by name."""

    model: str
    chat_template: str | None
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None


class TextOfTokens(Shape):
    """The text of tokens."""

    content: str
    prompt: str
