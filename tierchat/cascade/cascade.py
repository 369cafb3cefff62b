"""The cascades of a catalogue: each prompt is answered by the tiers of its cascade.

Does not know HTTP, terminals, how workers are kept or how a prompt goes from tier to tier.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing

import msgspec

from tierchat.cascade.absent_tiers import missing, next_step
from tierchat.cascade.beginning import Beginning
from tierchat.cascade.changed_template import other_template
from tierchat.cascade.conversation import Conversation
from tierchat.cascade.deadline import until
from tierchat.cascade.preload import Preloader
from tierchat.cascade.prepared import Models, PreparedCascade
from tierchat.cascade.promise import keeping_promise
from tierchat.cascade.prompt_run import PromptRun
from tierchat.cascade.result_tier import begin_by_worth
from tierchat.cascade.tool_tiers import begin_with_tools
from tierchat.cascade.turns_before import TurnsBefore
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec
from tierchat.errors import InvalidRequest
from tierchat.events import CascadeEvent, Done, Notice
from tierchat.gates.lookup import FoundGate, GateLookup
from tierchat.models.active_parameters import ActiveParameters
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.models.sampling import SamplingAdvice, header_of
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
        *,
        headers: CheckedHeaders | None = None,
    ) -> None:
        """`reload`, if given, is awaited when a prompt names a cascade that is not known.

        It may call `replace`. `headers` may be shared with the pool.
        Raises UsageError if there is no cascade named `default`.
        """
        catalogue.find(default)
        self._catalogue = catalogue
        self._models = models
        self._default = default
        self._gates = gates
        self._reload = reload
        self._preloader = Preloader(models)
        # What was said of each cascade's gate.
        self._told: dict[str, str] = {}
        self._turns = TurnsBefore()
        self._headers = headers or CheckedHeaders()
        self._parameters = ActiveParameters(self._headers)

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
        # A reload while this prompt is under way changes nothing for it.
        catalogue = self._catalogue
        spec = catalogue.effective(name, prompt.think)
        models = {model: catalogue.models[model] for model in spec.models}
        absent = {m: s for m, s in models.items() if not self._models.is_present(m)}
        _refuse_absent(name, spec, absent, prompt.options.tier)
        if prompt.tokens or prompt.sampling.logit_bias:
            await asyncio.to_thread(self._refuse_ambiguous_tokens, name, spec, models, prompt)
        gate, notice = await self._find_gate(name, spec, models, is_whole=not absent)
        gate, changed = self._without_other_template(gate, name, spec)
        if notice := notice or changed:
            yield Notice(text=notice)
        conversation = Conversation(name, prompt, self._turns)
        beginning = conversation.beginning(spec, gate)
        parameters = {model: await self._num_parameters(s) for model, s in models.items()}
        if not prompt.options.raw and not prompt.options.no_escalate:
            beginning = await self._with_tools(beginning, catalogue, spec)
        if gate or await self._is_untaught(catalogue, spec):
            names, sizes = zip(*((t.name, parameters[t.model]) for t in spec.tiers), strict=True)
            beginning = begin_by_worth(beginning, gate.head if gate else None, names, sizes, prompt)
        self._models.plan_as_part_of(name, spec.models)
        advice = SamplingAdvice(catalogue, name, prompt.think, self._headers)
        options, not_promised = keeping_promise(
            prompt.options, name, [tier.name for tier in spec.tiers], gate.head if gate else None
        )
        prompt = msgspec.structs.replace(prompt, options=options)
        prepared = PreparedCascade(
            spec,
            parameters,
            absent,
            next_step(absent, name),
            gate,
            advice.sources,
            notices=tuple(filter(None, (not_promised,))),
            beginning=beginning,
        )
        run = PromptRun(prompt, prepared, self._models, self._preloader)
        try:
            async with aclosing(run.events()) as events:
                async for event in until(events, prompt.options.timeout_s):
                    if isinstance(event, Done):
                        conversation.answered(event.outcome)
                    yield event
        finally:
            # What was shown of an answer that was stopped is part of the conversation.
            conversation.stopped(run.shown)
            self._models.keep(spec.models, prompt.options.keepalive_s)

    async def close(self) -> None:
        """End every worker."""
        await self._preloader.close()
        await self._models.close()

    async def _find_gate(
        self, name: str, spec: CascadeSpec, models: Mapping[str, ModelSpec], *, is_whole: bool
    ) -> tuple[FoundGate | None, str]:
        if self._gates is None:
            return None, ""
        if self._gates.file(name) is None:
            # A cascade cannot be taught before all its models are here.
            return None, self._gates.teaching_hint(name, spec) if is_whole else ""
        # Hashing a model file for the first time takes seconds.
        return await asyncio.to_thread(self._gates.find, name, spec, models)

    def _without_other_template(
        self, gate: FoundGate | None, name: str, spec: CascadeSpec
    ) -> tuple[FoundGate | None, str]:
        """Return the gate unless a tier's template is another one now; that is told once."""
        why = other_template(gate, spec, self._models.template_sha256) if gate else ""
        told, self._told[name] = self._told.get(name), why
        return (None if why else gate), why if why != told else ""

    async def _is_untaught(self, catalogue: Catalogue, spec: CascadeSpec) -> bool:
        """Whether no tier but the top one has anything of its own to decide by."""
        lower = spec.tiers[:-1]
        if not lower or any(tier.gate != "untaught" for tier in lower):
            return False
        headers = [
            await asyncio.to_thread(header_of, catalogue.models[tier.model], self._headers)
            for tier in lower
        ]
        return all(header is None or not header.has_escalate_token for header in headers)

    async def _with_tools(
        self, beginning: Beginning, catalogue: Catalogue, spec: CascadeSpec
    ) -> Beginning:
        """Let a prompt with tools begin at a tier that knows them."""
        if beginning.earlier.stage == "none":
            return beginning
        models = [catalogue.models[tier.model] for tier in spec.tiers]
        # A template that is given instead of the model's own, or a remote model, may know them.
        headers = [
            None if model.template else await asyncio.to_thread(header_of, model, self._headers)
            for model in models
        ]
        knows = [header is None or header.knows_tools for header in headers]
        return begin_with_tools(beginning, [tier.name for tier in spec.tiers], knows)

    def _refuse_ambiguous_tokens(
        self, name: str, spec: CascadeSpec, models: Mapping[str, ModelSpec], prompt: Prompt
    ) -> None:
        """Raise InvalidRequest for ids of tokens where the tiers have different vocabularies."""
        headers = (header_of(model, self._headers) for model in models.values())
        if prompt.options.tier or len({h.tokens_sha256 for h in headers if h}) < 2:
            return
        field = "prompt" if prompt.tokens else "logit_bias"
        raise InvalidRequest(
            f"{field}: the tiers of {name} have different vocabularies, so that ids of tokens "
            "mean something else in each",
            f"ask one tier: the model {name}/{spec.tiers[0].name}, for example",
            param=field,
        )

    async def _num_parameters(self, spec: ModelSpec) -> float:
        given = self._parameters.given(spec)
        return float(given or await asyncio.to_thread(self._parameters.find, spec))


def _refuse_absent(
    name: str, spec: CascadeSpec, absent: Mapping[str, ModelSpec], pinned: str | None
) -> None:
    """Raise ModelMissing if no model that may answer is on this machine."""
    may_answer = list(spec.models)
    to_pull = name
    for tier in spec.tiers:
        if pinned is not None and tier.name.casefold() == pinned.casefold():
            may_answer = [tier.model]
            to_pull = tier.model
    if all(model in absent for model in may_answer):
        raise missing({model: absent[model] for model in may_answer}, to_pull)
