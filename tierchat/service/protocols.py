"""What the service needs of the parts that answer prompts and hold models.

Does not know how either is done.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from tierchat.events import CascadeEvent
from tierchat.service.messages import HealthReport, LoadReport, ServedModel
from tierchat.service.texts.tier_texts import NamedTier
from tierchat.types import Prompt, TierOptions
from tierchat.workers.lending import Models
from tierchat.workers.status import WorkerStatus
from tierchat.workers.text_orders import Embedded, Tokenized


class Answerer(Protocol):
    """Answers prompts. Answerers are wrapped around each other; each adds one concern."""

    def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt, `Done` last; closing the generator cancels the work."""
        ...


class Texts(Protocol):
    """Counts, spells and embeds texts with the model of one tier; see `TierTexts`."""

    def find(self, options: TierOptions, *, embeds: bool = False) -> NamedTier: ...
    async def tokenize(
        self, tier: NamedTier, text: str, *, adds_special: bool, parses_special: bool
    ) -> Tokenized: ...
    async def special_texts(self, tier: NamedTier) -> dict[str, str | None]: ...
    async def count(self, tier: NamedTier, prompt: Prompt) -> int: ...
    async def detokenize(self, tier: NamedTier, tokens: Sequence[int]) -> Tokenized: ...
    async def embed(self, tier: NamedTier, piece: str | Sequence[int]) -> Embedded: ...


class ModelKeeper(Protocol):
    """Holds the cascades of one home and the models behind them."""

    @property
    def default(self) -> str:
        """The cascade of prompts that name none."""
        ...

    def cascades(self) -> dict[str, tuple[str, ...]]:
        """Return the tiers of every cascade, cheapest first."""
        ...

    def served(self) -> tuple[ServedModel, ...]:
        """Return all names that can be answered here: the default, cascades, tiers of them."""
        ...

    @property
    def claude_tiers(self) -> str:
        """The least tiers for Anthropic's haiku, sonnet and opus; empty for low, middle, top."""
        ...

    @property
    def keeps_conversations(self) -> bool:
        """Whether the user lets conversations be saved."""
        ...

    @property
    def texts(self) -> Texts:
        """What can be asked of single tiers, beside answers."""
        ...

    def titler(self, cascade: str) -> str | None:
        """Return the tier that finds titles for conversations of a cascade, if it has one."""
        ...

    def status_of_workers(self) -> tuple[WorkerStatus, ...]: ...
    async def say_a_word(self, *, loads: bool) -> HealthReport:
        """Let the lowest loaded tier of the default cascade write one token.

        With `loads`, its lowest tier is loaded if none is. How long models stay loaded does not
        change. Raises what the worker reports.
        """
        ...

    async def preload(self) -> None: ...
    async def load(self, name: str) -> tuple[LoadReport, ...]: ...
    async def unload(self, name: str) -> tuple[LoadReport, ...]: ...
    async def reload(self) -> None: ...
    async def close(self) -> None: ...

    def lend(self, cascade: str) -> Models:
        """Return the models for a lesson of a cascade, planned as those of that cascade."""
        ...

    def teachable(self) -> dict[str, float]:
        """Return the cascades that can be taught, as their models are all here.

        With each the time of its newest file, in seconds since 1970.
        """
        ...


class AnsweringKeeper(Answerer, ModelKeeper, Protocol):
    """Both in one object, such as the cascades of a home."""
