"""What one prompt finds: the cascade with its gate and sizes, the models, and where it begins.

Values and the seam to the pool; does not know how a prompt is answered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tierchat.cascade.beginning import Beginning
from tierchat.config.catalogue import CascadeSpec
from tierchat.gates.lookup import FoundGate
from tierchat.models.sampling import SamplingSources
from tierchat.workers.protocol import Generate, RequestEvent
from tierchat.workers.speeds import ModelSpeed


class Models(Protocol):
    """What a cascade needs of the pool."""

    def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]: ...
    def is_loaded(self, model: str) -> bool: ...
    def speed(self, model: str, think: bool | None = None) -> ModelSpeed: ...
    def is_present(self, model: str) -> bool: ...
    def take_notice(self, model: str) -> str: ...
    def template_sha256(self, model: str) -> str | None: ...
    def plan_as_part_of(self, cascade: str, models: Iterable[str]) -> None: ...
    async def load_ahead(self, model: str) -> None: ...
    def keep(self, models: Iterable[str], keepalive_s: float | None) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True)
class PreparedCascade:
    """A cascade as one prompt finds it.

    `parameters` are the sizes of its models. `absent` are the models that are not on this
    machine, and `next_step` tells the user how to get them. `sampling` finds how the tier of a name
    draws tokens; it may read a file. `notices` are said before the first
    tier runs. `beginning` says where the prompt begins as a follow-up.
    """

    spec: CascadeSpec
    parameters: Mapping[str, float]
    absent: Collection[str] = ()
    next_step: str = ""
    gate: FoundGate | None = None
    sampling: Callable[[str], SamplingSources] | None = None
    notices: Sequence[str] = ()
    beginning: Beginning = field(default_factory=Beginning)
