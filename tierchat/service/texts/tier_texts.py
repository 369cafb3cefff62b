"""Texts for one tier: counted and spelled by its tokenizer, or turned into vectors by its model.

Does not know HTTP or escalation: nothing here is answered, so that no gate decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tierchat.config.catalogue import Catalogue, TierSpec
from tierchat.errors import (
    EngineCrashed,
    ModelMissing,
    TierchatError,
    UnknownModel,
    did_you_mean,
    error_from_code,
)
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.types import Prompt, TierOptions
from tierchat.workers.protocol import Failed, RequestEvent
from tierchat.workers.text_orders import (
    Count,
    Detokenize,
    Embed,
    Embedded,
    TextOrder,
    Tokenize,
    Tokenized,
)

# By the numbers of llama.cpp: mean, first, last.
_POOLINGS = (1, 2, 3)


class Models(Protocol):
    """What is needed of the pool."""

    def is_present(self, model: str) -> bool: ...
    def generate(self, model: str, order: TextOrder) -> AsyncGenerator[RequestEvent, None]: ...


@dataclass(frozen=True)
class NamedTier:
    """A tier of a cascade and its model."""

    cascade: str
    tier: str
    model: str


class TierTexts:
    """Finds the tier that a request names, and asks its model. One event loop owns it."""

    def __init__(
        self,
        models: Models,
        catalogue: Callable[[], Catalogue],
        default: Callable[[], str],
        headers: CheckedHeaders,
    ) -> None:
        self._models = models
        self._catalogue, self._default = catalogue, default
        self._headers = headers

    def find(self, options: TierOptions, *, embeds: bool = False) -> NamedTier:
        """Return the tier that is asked for, else the lowest one that is here, from `min_tier` on.

        What `embeds` goes to a tier whose file says how vectors are made of its states, if one is
        here. Raises UnknownModel or ModelMissing.
        """
        name = options.cascade or self._default()
        tiers = self._catalogue().find(name).tiers
        if options.tier:
            return NamedTier(name, *self._named(tiers, options.tier))
        least, _ = self._named(tiers, options.min_tier) if options.min_tier else ("", "")
        from_least = [tier.name for tier in tiers].index(least) if least else 0
        here = [tier for tier in tiers if self._models.is_present(tier.model)]
        here = [tier for tier in here if tier in tiers[from_least:]] or here[-1:]
        if not here:
            raise ModelMissing(
                f"no model of the cascade {name} is on this machine",
                f"fetch them: tierchat pull {name}",
            )
        pooling = [tier for tier in here if embeds and self._has_pooling(tier.model)]
        chosen = (pooling or here)[0]
        return NamedTier(name, chosen.name, chosen.model)

    async def tokenize(
        self, tier: NamedTier, text: str, *, adds_special: bool, parses_special: bool
    ) -> Tokenized:
        """Return the tokens of a text."""
        order = Tokenize(id=0, text=text, adds_special=adds_special, parses_special=parses_special)
        found = await self._result(tier, order)
        assert isinstance(found, Tokenized)
        return found

    async def special_texts(self, tier: NamedTier) -> dict[str, str | None]:
        """Return the chat template of a tier's file and the texts of its special tokens.

        None stands for those that the file does not name; raises ModelCorrupt for a bad file.
        """
        file = Path(self._catalogue().models[tier.model].file)
        header = await asyncio.to_thread(self._headers.check, file)
        found: dict[str, str | None] = {"chat_template": header.chat_template}
        for name in ("bos", "eos", "pad"):
            key = {"pad": "padding"}.get(name, name)
            token = header.metadata.get(f"tokenizer.ggml.{key}_token_id")
            known = [token] if isinstance(token, int) else []
            spelled = await self.detokenize(tier, known) if known else None
            text = b"".join(spelled.pieces).decode(errors="replace") if spelled else None
            found[f"{name}_token"] = text
        return found

    async def count(self, tier: NamedTier, prompt: Prompt) -> int:
        """Return the number of tokens of a conversation as the tier's model reads it."""
        order = Count(id=0, messages=prompt.messages, tools=prompt.tools, think=prompt.think)
        found = await self._result(tier, order)
        assert isinstance(found, Tokenized)
        return len(found.tokens)

    async def detokenize(self, tier: NamedTier, tokens: Sequence[int]) -> Tokenized:
        """Return the bytes of tokens; raises InvalidRequest for an id that is none."""
        found = await self._result(tier, Detokenize(id=0, tokens=tuple(tokens)))
        assert isinstance(found, Tokenized)
        return found

    async def embed(self, tier: NamedTier, piece: str | Sequence[int]) -> Embedded:
        """Return the vector of a text or of tokens; raises ContextTooLong or InvalidRequest."""
        text, tokens = (piece, ()) if isinstance(piece, str) else ("", tuple(piece))
        found = await self._result(tier, Embed(id=0, text=text, tokens=tokens))
        assert isinstance(found, Embedded)
        return found

    async def _result(self, tier: NamedTier, order: TextOrder) -> Tokenized | Embedded:
        async with aclosing(self._models.generate(tier.model, order)) as events:
            async for event in events:
                if isinstance(event, Tokenized | Embedded):
                    return event
                if isinstance(event, Failed):
                    raise _error_of(event)
        raise EngineCrashed(f"the worker of {tier.model} ended a request without a result")

    def _named(self, tiers: Sequence[TierSpec], name: str) -> tuple[str, str]:
        for tier in tiers:
            if tier.name.casefold() == name.casefold():
                return tier.name, tier.model
        names = [tier.name for tier in tiers]
        known = f"the tiers, cheapest first: {', '.join(names)}"
        raise UnknownModel(f"tier: no tier named {name!r}", did_you_mean(name, names, known))

    def _has_pooling(self, model: str) -> bool:
        try:
            header = self._headers.check(Path(self._catalogue().models[model].file))
        except TierchatError:
            return False
        return header.integer("pooling_type") in _POOLINGS


def _error_of(failed: Failed) -> TierchatError:
    error = error_from_code(failed.code, failed.message, failed.hint)
    error.param = failed.param
    return error
