"""Models loaded and unloaded by name: of a model, a tier or a cascade.

Does not know prompts or who asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tierchat.cascade.cascade import Cascade
from tierchat.errors import UsageError, did_you_mean
from tierchat.models.placement import hardware
from tierchat.models.placement.hardware import resident_bytes
from tierchat.service.messages import LoadReport
from tierchat.workers.pool import Pool


class Loading:
    """Loads and unloads what a name stands for. Belongs to the event loop of its pool.

    `reload` reads the catalogue again, for names that are not in it yet.
    """

    def __init__(self, pool: Pool, cascade: Cascade, reload: Callable[[], Awaitable[None]]) -> None:
        self._pool, self._cascade, self._reload = pool, cascade, reload

    async def load(self, name: str) -> tuple[LoadReport, ...]:
        """Load a model, or the models of a tier or cascade, and measure the memory they take."""
        return tuple([await self._load(model) for model in await self._models_named(name)])

    async def unload(self, name: str) -> tuple[LoadReport, ...]:
        """Unload a model, or the models of a tier or cascade.

        Raises UsageError for a model that is answering a prompt.
        """
        return tuple([await self._unload(model) for model in await self._models_named(name)])

    async def _models_named(self, name: str) -> tuple[str, ...]:
        models = self._find_models(name)
        if models is None:
            await self._reload()
            models = self._find_models(name)
        if models is None:
            raise self._unknown(name)
        if name in self._cascade.catalogue.cascades:
            self._pool.plan_as_part_of(name, models)
        return models

    def _find_models(self, name: str) -> tuple[str, ...] | None:
        """Return the models of a model, a cascade or a tier of the default cascade."""
        catalogue = self._cascade.catalogue
        if name in catalogue.models:
            return (name,)
        if name in catalogue.cascades:
            return catalogue.cascades[name].models
        for tier in catalogue.cascades[self._cascade.default].tiers:
            if tier.name.casefold() == name.casefold():
                return (tier.model,)
        return None

    def _unknown(self, name: str) -> UsageError:
        catalogue = self._cascade.catalogue
        cascades, models = catalogue.cascades, catalogue.models
        tiers = tuple(tier.name for tier in cascades[self._cascade.default].tiers)
        return UsageError(
            f"no model, cascade or tier named {name!r}",
            did_you_mean(
                name,
                (*tiers, *cascades, *models),
                f"tiers: {', '.join(tiers)}; cascades: {', '.join(cascades)}; "
                "`tierchat ls` lists the models",
            ),
        )

    async def _load(self, model: str) -> LoadReport:
        was_loaded = self._pool.is_loaded(model)
        before, began_s = await _gpu_free(), time.monotonic()
        worker = await self._pool.load(model)
        seconds = time.monotonic() - began_s
        self._pool.keep([model], None)
        return LoadReport(
            model=model,
            has_changed=not was_loaded,
            ram_bytes=resident_bytes(worker.pid) or 0,
            gpu_free_before=before,
            gpu_free_after=await _gpu_free(),
            seconds=seconds,
            notice=self._pool.take_notice(model),
        )

    async def _unload(self, model: str) -> LoadReport:
        before, began_s = await _gpu_free(), time.monotonic()
        ram_bytes = next((w.rss_bytes for w in self._pool.status() if model in w.models), None)
        has_changed = await self._pool.unload(model)
        if not has_changed and self._pool.is_loaded(model):
            raise UsageError(f"{model} is answering a prompt", "try again when it is idle")
        seconds = time.monotonic() - began_s
        return LoadReport(
            model=model,
            has_changed=has_changed,
            ram_bytes=ram_bytes or 0,
            gpu_free_before=before,
            gpu_free_after=await _gpu_free(),
            seconds=seconds,
        )


async def _gpu_free() -> int:
    if not hardware.has_gpu_library():
        return 0
    devices = await asyncio.to_thread(hardware.list_devices)
    return sum(device.free_bytes for device in devices if device.kind == "gpu")
