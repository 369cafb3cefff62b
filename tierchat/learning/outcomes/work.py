"""How an outcome matrix is filled: the tiers, the names of its cells, the workers.

Does not know prompts, grades or gates.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from tierchat.config.catalogue import CascadeSpec, Catalogue, TierSpec
from tierchat.config.home import Home
from tierchat.config.settings import Settings
from tierchat.gates.order import Probe
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import Paths
from tierchat.types import Frozen
from tierchat.workers.build_pool import build_pool
from tierchat.workers.complete import Generates
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import ModelInfo

# To be raised when cells come to mean something else, so that stored cells are run again.
_CELL_FORMAT = 2
# Between two prompts of a lesson a model stays loaded, however long the other tiers take.
_KEEPALIVE_S = 3600.0


class Models(Generates, Protocol):
    """What collecting needs of a pool."""

    async def load(self, model: str) -> object: ...
    def info(self, model: str) -> ModelInfo | None: ...


class Stored(Frozen, frozen=True, omit_defaults=True):
    """A cell as the store keeps it: without its grade, so that graders may improve.

    Only models whose gate reads the finished answer have an `answer_min_logprob`, so the cells of
    all others are stored as they were before it existed.
    """

    answer: str
    reason: str
    num_prompt_tokens: int
    num_generated_tokens: int
    seconds: float
    probe: Probe
    answer_min_logprob: float | None = None


@dataclass(frozen=True)
class Work:
    """How a matrix is filled. `identities` name each tier's model and effort by their content."""

    tiers: tuple[TierSpec, ...]
    identities: tuple[str, ...]
    hold_back: int
    num_at_once: int = 16


def key_of(work: Work, tier: int, prompt: GradedPrompt) -> bytes:
    """Return the store's key of a cell, made from all that its content depends on."""
    settings = f"{_CELL_FORMAT} {work.identities[tier]} {work.hold_back} {prompt.digest}"
    if prompt.max_tokens is not None:
        settings += f" {prompt.max_tokens}"
    return hashlib.blake2b(settings.encode(), digest_size=20).digest()


def workers(home: Home, cascade: str) -> AbstractAsyncContextManager[Pool]:
    """Hold workers of our own for a cascade, apart from the daemon's, and end them afterwards."""
    return workers_of(home.catalogue, cascade, home.paths, home.settings)


@asynccontextmanager
async def workers_of(
    catalogue: Catalogue, cascade: str, paths: Paths, settings: Settings
) -> AsyncIterator[Pool]:
    """Hold workers for a cascade of any catalogue, and end them afterwards."""
    pool = build_pool(catalogue, cascade, paths, settings, keepalive_s=_KEEPALIVE_S)
    try:
        yield pool
    finally:
        await pool.close()


def work_of(spec: CascadeSpec, catalogue: Catalogue, paths: Paths) -> Work:
    """Describe how a cascade's matrix is filled; raises ModelMissing.

    Hashes model files whose sha256 the catalogue does not give.
    """
    files = VerifiedFiles(paths.verified_file)
    identities = []
    for tier in spec.tiers:
        model = catalogue.models[tier.model]
        sha256 = files.sha256_of_model(model.files)
        identities.append(f"{sha256} think={tier.think} context={model.context} {tier.sampling}")
    return Work(spec.tiers, tuple(identities), spec.hold_back)
