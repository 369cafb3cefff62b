"""The cascades of one home, built from its files, and the models that they keep loaded.

Does not know HTTP or the daemon's life.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncGenerator

import msgspec

from tierchat.cascade.cascade import Cascade
from tierchat.config.catalogue_files import load_catalogue
from tierchat.config.settings import Settings, load_settings, parse_keepalive
from tierchat.errors import TierchatError
from tierchat.events import CascadeEvent
from tierchat.gates.lookup import GateLookup
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import Paths
from tierchat.service.home.loading import Loading
from tierchat.service.messages import HealthReport, LoadReport, ServedModel
from tierchat.service.openai_format import ANY_MODEL
from tierchat.service.texts.tier_texts import TierTexts
from tierchat.types import Message, Prompt, Sampling
from tierchat.workers.build_pool import build_pool, plan_cascades
from tierchat.workers.complete import complete
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Generate
from tierchat.workers.speeds import Speeds
from tierchat.workers.status import WorkerStatus

# Raw, since not every model has a template, and in the background, to leave the KV cache alone.
_A_WORD = Generate(
    id=0,
    messages=(Message(role="user", content="1 + 1 ="),),
    sampling=Sampling(max_tokens=1, temperature=0),
    is_raw=True,
    is_background=True,
)


class HomeCascade:
    """The cascades of a home and the workers behind them. One event loop owns it."""

    def __init__(self, paths: Paths, settings: Settings) -> None:
        catalogue = load_catalogue(paths)
        self._paths = paths
        self._context = settings.context
        self.claude_tiers = settings.claude_tiers
        self.keeps_conversations = settings.log
        headers = CheckedHeaders()
        self._pool = build_pool(
            catalogue,
            settings.cascade,
            paths,
            settings,
            keepalive_s=parse_keepalive(settings.keepalive),
            headers=headers,
            speeds=Speeds(paths.speeds_file),
        )
        self._cascade = Cascade(
            catalogue,
            self._pool,
            settings.cascade,
            GateLookup(paths.gates_dir, VerifiedFiles(paths.verified_file)),
            self._reload_if_sound,
            headers=headers,
        )
        self._loading = Loading(self._pool, self._cascade, self._reload_if_sound)
        self.texts = TierTexts(
            self._pool, lambda: self._cascade.catalogue, lambda: self.default, headers
        )

    @property
    def default(self) -> str:
        """The cascade of prompts that name none."""
        return self._cascade.default

    def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Answer with the cascade that the prompt names; see Cascade.answer."""
        return self._cascade.answer(prompt)

    def cascades(self) -> dict[str, tuple[str, ...]]:
        """Return the tiers of every cascade, cheapest first."""
        return {
            name: tuple(tier.name for tier in spec.tiers)
            for name, spec in self._cascade.catalogue.cascades.items()
        }

    def served(self) -> tuple[ServedModel, ...]:
        """Return the default, every cascade, and their tiers, as far as a model is here.

        The default cascade comes first, as `tierchat` and `tierchat/tier`.
        """
        catalogue = self._cascade.catalogue
        found: list[ServedModel] = []
        for name, spec in catalogue.cascades.items():
            tiers = [
                ServedModel(id=f"{name}/{tier.name}", created=created)
                for tier in spec.tiers
                if (created := self._created(tier.model)) is not None
            ]
            if tiers:
                newest = max(tier.created for tier in tiers)
                if name == self.default:
                    own = [_renamed(tier, name) for tier in tiers]
                    found[:0] = [ServedModel(id=ANY_MODEL, created=newest), *own]
                found += [ServedModel(id=name, created=newest), *tiers]
        return tuple(found)

    def lend(self, cascade: str) -> Pool:
        """Return the models for a lesson of a cascade, planned as those of that cascade."""
        self._pool.plan_as_part_of(cascade, self._cascade.catalogue.cascades[cascade].models)
        return self._pool

    def teachable(self) -> dict[str, float]:
        """Return the cascades with a tier to escalate to whose models are all here.

        With each the time of its newest file, in seconds since 1970.
        """
        found = {}
        for name, spec in self._cascade.catalogue.cascades.items():
            times = [self._created(model) for model in spec.models]
            if len(spec.tiers) > 1 and None not in times:
                found[name] = float(max(time for time in times if time is not None))
        return found

    def _created(self, model: str) -> int | None:
        """Return when a model's file came here, or None if it is not here."""
        if not self._pool.is_present(model):
            return None
        try:
            return int(os.stat(self._cascade.catalogue.models[model].file).st_mtime)
        except OSError:
            return None

    def titler(self, cascade: str) -> str | None:
        """Return the lowest tier of a cascade, unless the cascade knows one field only."""
        spec = self._cascade.catalogue.cascades.get(cascade)
        return None if spec is None or spec.knows else spec.tiers[0].name

    def status_of_workers(self) -> tuple[WorkerStatus, ...]:
        """Describe the models of the default cascade and all others in use, with their tiers."""
        return tuple(
            msgspec.structs.replace(status, tiers=self._tiers_on(status.models))
            for status in self._pool.status()
            if set(status.models) & set(self._default_models) or status.state != "stopped"
        )

    async def preload(self) -> None:
        """Load the default cascade, cheapest first; a prompt reports a model that fails."""
        for model in self._default_models:
            try:
                await self._pool.load_ahead(model)
            except TierchatError:
                continue
        self._pool.keep(self._default_models, None)

    async def say_a_word(self, *, loads: bool) -> HealthReport:
        """Let the lowest loaded tier of the default cascade write one token."""
        tiers = self._cascade.catalogue.cascades[self._cascade.default].tiers
        here = [tier for tier in tiers if self._pool.is_present(tier.model)]
        loaded = [tier for tier in here if self._pool.is_loaded(tier.model)]
        if not loaded and not (loads and here):
            told = "no model is loaded; /health?load=1 loads one" if here else "no model is here"
            return HealthReport(status="ok" if here else "failing", message=told)
        tier = (loaded or here)[0]
        before = next((w for w in self._pool.status() if tier.model in w.models), None)
        began_s = time.monotonic()
        await complete(self._pool, tier.model, _A_WORD)
        if loaded and before and not before.num_active:
            # What a probe does is no reason to keep a model, nor to unload it.
            left_s = before.expires_in_s
            self._pool.keep([tier.model], -1.0 if left_s is None else left_s)
        return HealthReport(
            status="ok",
            has_generated=True,
            tier=tier.name,
            model=tier.model,
            seconds=time.monotonic() - began_s,
        )

    async def close(self) -> None:
        """End every worker."""
        await self._cascade.close()

    async def reload(self) -> None:
        """Read catalogue and settings again; after a ConfigError nothing has changed."""
        settings, catalogue = load_settings(self._paths, os.environ), load_catalogue(self._paths)
        # Everything that may raise comes before the first change.
        plans = plan_cascades(catalogue, settings.cascade, settings)
        has_new_context = settings.context != self._context
        self._context = settings.context
        self.claude_tiers = settings.claude_tiers
        self.keeps_conversations = settings.log
        self._cascade.replace(catalogue, settings.cascade)
        await self._pool.replace(catalogue.models, plans, reloads_all=has_new_context)

    async def load(self, name: str) -> tuple[LoadReport, ...]:
        """Load the models that a name stands for; see Loading.load."""
        return await self._loading.load(name)

    async def unload(self, name: str) -> tuple[LoadReport, ...]:
        """Unload the models that a name stands for; see Loading.unload."""
        return await self._loading.unload(name)

    @property
    def _default_models(self) -> tuple[str, ...]:
        return self._cascade.catalogue.cascades[self._cascade.default].models

    async def _reload_if_sound(self) -> None:
        """Reload; with a mistake in a file, keep what was read before."""
        with contextlib.suppress(TierchatError):
            await self.reload()

    def _tiers_on(self, models: tuple[str, ...]) -> tuple[str, ...]:
        """Name the tiers of models; those of other cascades than the default as CASCADE:TIER."""
        default = self._cascade.default
        names = [
            (cascade, tier.name)
            for cascade, spec in self._cascade.catalogue.cascades.items()
            for tier in spec.tiers
            if tier.model in models
        ]
        usual = [tier for cascade, tier in names if cascade == default]
        return (*usual, *(f"{cascade}:{tier}" for cascade, tier in names if cascade != default))


def _renamed(tier: ServedModel, cascade: str) -> ServedModel:
    """Name a tier of the default cascade without its cascade."""
    id_ = ANY_MODEL + tier.id.removeprefix(cascade)
    return ServedModel(id=id_, created=tier.created)
