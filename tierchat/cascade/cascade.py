"""The cascades of a catalogue: each prompt is given to its cascade's tiers.

Does not know HTTP, terminals, how workers are kept or how a prompt goes from tier to tier.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from tierchat.cascade.deadline import until
from tierchat.cascade.preload import Preloader
from tierchat.cascade.prompt_run import Models, PromptRun
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec
from tierchat.errors import ModelMissing
from tierchat.events import CascadeEvent, Notice
from tierchat.gates.lookup import FoundGate, GateLookup
from tierchat.models.active_parameters import ActiveParameters
from tierchat.types import Prompt


class Cascade:
    """Answers prompts with the cascades of a catalogue. One event loop owns it."""

    def __init__(
        self,
        catalogue: Catalogue,
        models: Models,
        default: str,
        gates: GateLookup | None = None,
        reload: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`reload`, if given, is awaited when a prompt names a cascade that is not known.

        It may call `replace`. Raises UsageError if there is no cascade named `default`.
        """
        catalogue.find(default)
        self._catalogue = catalogue
        self._models = models
        self._default = default
        self._gates = gates
        self._reload = reload
        self._preloader = Preloader(models)
        self._parameters = ActiveParameters()

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def default(self) -> str:
        """The cascade of prompts that name none."""
        return self._default

    def replace(self, catalogue: Catalogue, default: str) -> None:
        """Answer new prompts with other cascades; prompts under way keep theirs."""
        self._catalogue, self._default = catalogue, default

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt, `Done` last; closing the iterator cancels the work.

        Raises UsageError, ContextTooLong, Timeout, or what the last usable tier failed with.
        """
        name = prompt.options.cascade or self._default
        if self._reload and name not in self._catalogue.cascades:
            await self._reload()
        spec = self._catalogue.effective(name, prompt.think)
        models = {tier.name: tier.model for tier in spec.tiers}
        gate, notice = await self._find_gate(name, spec)
        if notice:
            yield Notice(text=notice)
        self._refuse_absent(name, spec, prompt)
        sizes = {model: await self._size(self._catalogue.models[model]) for model in spec.models}
        self._models.plan_as_part_of(name, spec.models)
        run = PromptRun(
            prompt,
            spec,
            self._models,
            lambda tier: sizes[models[tier]],
            self._preloader,
            gate,
        )
        try:
            async with aclosing(run.events()) as events:
                async for event in until(events, prompt.options.timeout_s):
                    yield event
        finally:
            self._models.keep(spec.models, prompt.options.keepalive_s)

    async def _find_gate(self, name: str, spec: CascadeSpec) -> tuple[FoundGate | None, str]:
        if self._gates is None:
            return None, ""
        if not self._gates.has_file(name):
            return None, self._gates.teaching_hint(name, spec)
        # A model file that nobody has hashed yet takes seconds.
        return await asyncio.to_thread(self._gates.find, name, spec, self._catalogue.models)

    async def close(self) -> None:
        """End every worker."""
        await self._preloader.close()
        await self._models.close()

    def _refuse_absent(self, name: str, spec: CascadeSpec, prompt: Prompt) -> None:
        """Raise ModelMissing when no model that may answer is on this machine."""
        pinned = (prompt.options.tier or "").casefold()
        asked = [tier for tier in spec.tiers if tier.name.casefold() == pinned] or spec.tiers
        if not any(self._models.is_present(tier.model) for tier in asked):
            specs = {tier.model: self._catalogue.models[tier.model] for tier in asked}
            if any(model.repo for model in specs.values()):
                what = name if len(specs) > 1 or not pinned else next(iter(specs))
                raise ModelMissing(
                    f"not on this machine yet: {', '.join(specs)}", f"run: tierchat pull {what}"
                )
            files = ", ".join(model.file for model in specs.values())
            raise ModelMissing(f"no model file at {files}", "check `file` in models.toml")

    async def _size(self, spec: ModelSpec) -> float:
        given = self._parameters.given(spec)
        return float(given or await asyncio.to_thread(self._parameters.find, spec))
