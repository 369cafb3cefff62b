"""How an outcome matrix is filled: the tiers, the names of its cells, the workers.

Does not know prompts, grades or gates.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from tierchat.config.catalogue import CascadeSpec, Catalogue, TierSpec
from tierchat.config.chat_formats import read_format
from tierchat.config.home import Home
from tierchat.config.settings import Settings
from tierchat.gates.order import Probe
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.models.sampling import header_of
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import Paths
from tierchat.types import Frozen
from tierchat.workers.build_pool import build_pool
from tierchat.workers.complete import Generates
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import ModelInfo

# To be raised when cells come to mean something else, so that stored cells are run again.
_CELL_FORMAT = 2
# The longest answer that is waited for, unless a lesson says otherwise: a small model that rambles
# would fill its context on most prompts.
MAX_ANSWER = 512
# An answer more than twice as long as the top tier's is a ramble far more often than it is right.
_TIMES_TOP, _BEYOND_TOP = 2, 32
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
    """How a matrix is filled. `identities` name each tier's model and effort by their content.

    No answer gets more than `max_answer` tokens. `thinks` says which tiers may think before they
    answer.
    """

    tiers: tuple[TierSpec, ...]
    identities: tuple[str, ...]
    hold_back: int
    num_at_once: int = 16
    max_answer: int = MAX_ANSWER
    thinks: tuple[bool, ...] = ()

    def only(self, tier: int) -> Work:
        """Return the work of one tier alone."""
        kept = slice(tier, tier + 1)
        return replace(
            self,
            tiers=self.tiers[kept],
            identities=self.identities[kept],
            thinks=self.thinks[kept],
        )

    def bound(self, tier: int, prompt: GradedPrompt) -> int:
        """Return how many tokens a tier may write on a prompt."""
        given = (self.max_answer, prompt.max_tokens, self.tiers[tier].sampling.max_tokens)
        return min(most for most in given if most and most > 0)

    def bound_after(self, tier: int, prompt: GradedPrompt, top: Stored) -> int:
        """Return the same once the top tier has answered: how much it needed bounds the others.

        Thoughts count as written, so a tier that thinks is not measured by one that does not.
        """
        most, last = self.bound(tier, prompt), len(self.tiers) - 1
        thinks = self.thinks or (False,) * len(self.tiers)
        if tier == last or top.reason != "stop" or thinks[tier] > thinks[last]:
            return most
        return min(most, _TIMES_TOP * top.num_generated_tokens + _BEYOND_TOP)


def key_of(work: Work, tier: int, prompt: GradedPrompt, bound: int) -> bytes:
    """Return the store's key of a cell, made from all that its content depends on."""
    settings = f"{_CELL_FORMAT} {work.identities[tier]} {work.hold_back} {prompt.digest} {bound}"
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


def work_of(
    spec: CascadeSpec, catalogue: Catalogue, paths: Paths, max_answer: int = MAX_ANSWER
) -> Work:
    """Describe how a cascade's matrix is filled; raises ModelMissing.

    Hashes model files whose sha256 the catalogue does not give.
    """
    files, headers = VerifiedFiles(paths.verified_file), CheckedHeaders()
    identities, thinks = [], []
    for tier in spec.tiers:
        model = catalogue.models[tier.model]
        sha256 = files.sha256_of_model(model.files)
        settings = f"think={tier.think} context={model.context} {tier.sampling}"
        if chat_format := read_format(model.template):
            # Instead of the template in the file, which its sha256 covers.
            source = hashlib.sha256(chat_format.source.encode("utf-8", "replace")).hexdigest()
            settings += f" template={source}"
        identities.append(f"{sha256} {settings}")
        header = header_of(model, headers)
        thinks.append(tier.think is not False and header is not None and header.can_think)
    return Work(
        spec.tiers,
        tuple(identities),
        spec.hold_back,
        max_answer=max_answer,
        thinks=tuple(thinks),
    )
