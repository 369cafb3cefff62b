"""The real parts put together from the files of one home, and again when the files change.

Does not know HTTP or the daemon's life.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

from tierchat.cascade.cascade import Cascade
from tierchat.config.catalogue import load_catalogue
from tierchat.config.settings import Settings, load_settings, parse_keepalive
from tierchat.errors import TierchatError, UsageError
from tierchat.gates.lookup import GateLookup
from tierchat.models.placement import hardware
from tierchat.models.placement.hardware import resident_bytes
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import Paths
from tierchat.service.messages import Residence
from tierchat.workers.build import build_pool, plan_cascades


class HomeCascade(Cascade):
    """The cascades of a home, with the workers behind them. One event loop owns it."""

    def __init__(self, paths: Paths, settings: Settings) -> None:
        catalogue = load_catalogue(paths)
        self._paths = paths
        self._context = settings.context
        self._pool = build_pool(
            catalogue,
            settings.cascade,
            paths,
            settings,
            keepalive_s=parse_keepalive(settings.keepalive),
        )
        gates = GateLookup(paths.gates_dir, VerifiedFiles(paths.verified_file))
        super().__init__(catalogue, self._pool, settings.cascade, gates)

    async def reload(self) -> None:
        """Read catalogue and settings anew; raises ConfigError and leaves all as it was."""
        settings, catalogue = load_settings(self._paths, os.environ), load_catalogue(self._paths)
        # What raises comes first.
        plans = plan_cascades(catalogue, settings.cascade, settings)
        has_new_context = settings.context != self._context
        self._context = settings.context
        self.replace(catalogue, settings.cascade)
        await self._pool.replace(catalogue.models, plans, begins_anew=has_new_context)

    async def look_for_news(self) -> None:
        with contextlib.suppress(TierchatError):
            await self.reload()

    async def load(self, name: str) -> tuple[Residence, ...]:
        """Load a model, a tier's or all of a cascade, smallest first, and measure what it took."""
        return tuple([await self._load(model) for model in await self._named(name)])

    async def unload(self, name: str) -> tuple[Residence, ...]:
        """Unload likewise; raises UsageError for one that is answering."""
        return tuple([await self._unload(model) for model in await self._named(name)])

    async def _named(self, name: str) -> tuple[str, ...]:
        try:
            found = self.models_named(name)
        except UsageError:
            await self.look_for_news()
            found = self.models_named(name)
        if name in self.cascades():
            self._pool.plan_as_part_of(name, found)
        return found

    async def _load(self, model: str) -> Residence:
        was_loaded = self._pool.is_loaded(model)
        before, began_s = await _gpu_free(), time.monotonic()
        worker = await self._pool.load(model)
        seconds = time.monotonic() - began_s
        self._pool.keep([model], None)
        return Residence(
            model=model,
            has_changed=not was_loaded,
            ram_bytes=resident_bytes(worker.pid) or 0,
            gpu_free_before=before,
            gpu_free_after=await _gpu_free(),
            seconds=seconds,
            notice=self._pool.take_notice(model),
        )

    async def _unload(self, model: str) -> Residence:
        before, began_s = await _gpu_free(), time.monotonic()
        ram_bytes = next((w.rss_bytes for w in self._pool.status() if w.model == model), None)
        has_changed = await self._pool.unload(model)
        if not has_changed and self._pool.is_loaded(model):
            raise UsageError(f"{model} is answering a prompt", "try again when it is idle")
        seconds = time.monotonic() - began_s
        return Residence(
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
