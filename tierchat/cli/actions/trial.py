"""A model that `add` loads once: what it reads and writes, and what its template cannot do.

Does not know names, catalogues or downloads.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tierchat.cli.actions.notices import note_loading
from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.config.home import Home
from tierchat.errors import ModelCorrupt
from tierchat.terminal.harmless import harmless
from tierchat.terminal.output import Output
from tierchat.types import Message, Sampling
from tierchat.workers.build_pool import build_pool
from tierchat.workers.complete import Completed, complete
from tierchat.workers.protocol import Generate, ModelInfo

_CONTEXT = 2048
_MAX_TOKENS = 40
_QUESTION = "Say in one short sentence what the sea is."
_BEGINNING = "The sea is"
_MAX_SHOWN_LINES = 40
_WIDTH = 16


@dataclass(frozen=True)
class Trial:
    """A model as it was loaded, and the sentence that it wrote."""

    info: ModelInfo
    said: Completed

    @property
    def can_chat(self) -> bool:
        return bool(self.info.template_sha256)

    @property
    def sentence(self) -> str:
        """What the model wrote, in one line."""
        text = " ".join(harmless(self.said.answer).split())
        return text if self.can_chat else f"{_BEGINNING} {text}"

    @property
    def tokens_per_second(self) -> float:
        usage = self.said.usage
        return usage.generated_tokens / max(usage.seconds, 1e-6)


async def try_out(name: str, spec: ModelSpec, home: Home, output: Output) -> Trial:
    """Load the model and let it write a sentence; raises what keeps it from that."""
    model = msgspec.structs.replace(spec, context=_CONTEXT, max_sequences=1)
    alone = CascadeSpec(tiers=(TierSpec(name="S", model=name),))
    catalogue = Catalogue(models={name: model}, cascades={name: alone})
    pool = build_pool(catalogue, name, home.paths, home.settings, keepalive_s=0)
    try:
        # The first answer also waits for the model to load; the second one shows its speed.
        await complete(pool, name, _order(1, is_raw=True))
        info = pool.info(name)
        assert info is not None
        said = await complete(pool, name, _order(_MAX_TOKENS, is_raw=not info.template_sha256))
        note_loading(pool, [name], output)
    finally:
        await pool.close()
    if said.reason == "garbage":
        raise ModelCorrupt(f"{Path(spec.file).name} computes numbers that are not finite")
    return Trial(info, said)


def template_lines(trial: Trial, template: str) -> Iterator[str]:
    """Show a conversation as the model reads it, what its template cannot do, and a sentence."""
    if template:
        yield f"{'chat template':<{_WIDTH}} {template}, instead of the model's own"
    lines = harmless(trial.info.example).split("\n")
    for index, line in enumerate(lines[:_MAX_SHOWN_LINES] if trial.info.example else ()):
        yield f"{'it reads' if index == 0 else '':<{_WIDTH}} │ {line}".rstrip()
    if len(lines) > _MAX_SHOWN_LINES:
        yield f"{'':<{_WIDTH}} … and {len(lines) - _MAX_SHOWN_LINES} more lines"
    for limit in trial.info.template_limits:
        yield f"{'limits':<{_WIDTH}} {limit}"
    speed = f"{trial.said.usage.generated_tokens} tokens, {trial.tokens_per_second:.1f} a second"
    yield f"{'it writes':<{_WIDTH}} {trial.sentence or 'nothing'} ({speed})"


def next_step_lines(trial: Trial, name: str, place: str) -> Iterator[str]:
    """Say how the model is used from now on."""
    without = "" if trial.can_chat else ", without a chat template"
    yield f"{'loads':<{_WIDTH}} yes; it is known as {name} now{without}"
    if trial.can_chat:
        yield f'{"to ask":<{_WIDTH}} tierchat ask -m {name} "2+2"'
        return
    again = f"tierchat add {name} {shlex.quote(place)} --template plain"
    yield f'{"to complete":<{_WIDTH}} tierchat ask --raw -m {name} "{_BEGINNING}"'
    yield f"{'to chat':<{_WIDTH}} give it a template, such as chatml, gemma or plain:"
    yield f"{'':<{_WIDTH}} {again}"


def _order(max_tokens: int, *, is_raw: bool) -> Generate:
    return Generate(
        id=0,
        messages=(Message(role="user", content=_BEGINNING if is_raw else _QUESTION),),
        sampling=Sampling(temperature=0, max_tokens=max_tokens),
        think=False,
        is_raw=is_raw,
    )
