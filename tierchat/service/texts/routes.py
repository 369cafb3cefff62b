"""The routes for texts that are not answered: embeddings, tokens of a text, the text of tokens.

Does not know models: `Texts` is the seam.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tierchat.errors import ContextTooLong, InvalidRequest
from tierchat.service.admission import Admission
from tierchat.service.openai.embeddings import (
    EmbeddingRequest,
    embedding_list,
    read_embedding_request,
)
from tierchat.service.openai_format import read_body
from tierchat.service.protocols import Texts
from tierchat.service.requests.body import reading
from tierchat.service.requests.field_rules import options_of
from tierchat.service.texts.tier_texts import NamedTier
from tierchat.service.texts.tokens import (
    DetokenizeBody,
    TokenizeBody,
    written_text,
    written_tokens,
)
from tierchat.workers.text_orders import Embedded

# So many texts of one request are read at once.
_MAX_AT_ONCE = 8


class TextRoutes:
    """Handlers: the body of a request and its client in, the value of the reply out."""

    def __init__(self, texts: Texts, admission: Admission) -> None:
        self._texts, self._admission = texts, admission

    async def embed(self, body: bytes, client: str) -> dict[str, Any]:
        """Answer POST /v1/embeddings."""
        asked = await reading(lambda: read_embedding_request(body), len(body))
        tier = self._texts.find(asked.options, embeds=True)
        async with self._admission.turn(asked.user or client, asked.options.timeout_s):
            found = await self._vectors(asked, tier)
        return embedding_list(asked, tier, found)

    async def tokenize(self, body: bytes, _client: str) -> dict[str, Any]:
        """Answer POST /tokenize."""
        asked = read_body(body, TokenizeBody)
        tier = self._texts.find(options_of(asked.model, {}))
        found = await self._texts.tokenize(
            tier,
            asked.text,
            adds_special=asked.adds_special,
            parses_special=asked.parse_special,
        )
        return written_tokens(found, with_pieces=asked.with_pieces)

    async def detokenize(self, body: bytes, _client: str) -> dict[str, Any]:
        """Answer POST /detokenize."""
        asked = read_body(body, DetokenizeBody)
        tier = self._texts.find(options_of(asked.model, {}))
        try:
            found = await self._texts.detokenize(tier, asked.tokens)
        except InvalidRequest as error:
            error.param = "tokens"
            raise
        return written_text(found)

    async def describe(self, model: str) -> dict[str, Any]:
        """Answer GET /tokenizer_info, as vLLM does: the tokens that templates ask for by name."""
        tier = self._texts.find(options_of(model, {}))
        return {"model": tier.model, **await self._texts.special_texts(tier)}

    async def _vectors(self, asked: EmbeddingRequest, tier: NamedTier) -> list[Embedded]:
        free = asyncio.Semaphore(_MAX_AT_ONCE)

        async def vector(piece: str | tuple[int, ...]) -> Embedded:
            async with free:
                return await self._texts.embed(tier, piece)

        tasks = [asyncio.ensure_future(vector(piece)) for piece in asked.pieces]
        try:
            return list(await asyncio.gather(*tasks))
        except (ContextTooLong, InvalidRequest) as error:
            error.param = "input"
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
