"""The prompts that are answered now: who asks, which tier is at work, how many tokens it wrote.

No word of a prompt or an answer. Does not know how anything is answered; one event loop owns it.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import msgspec

from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Hop,
    Loading,
    Starting,
    ThoughtDelta,
    ToolCallDelta,
    Working,
)
from tierchat.service.messages import DaemonStatus, RunningPrompt
from tierchat.service.protocols import Answerer
from tierchat.types import Prompt


@dataclass
class _Run:
    client: str
    cascade: str
    began_s: float = field(default_factory=time.monotonic)
    tier: str = ""
    num_hops: int = 0
    num_tokens: int = 0
    writing_s: float = 0.0

    def see(self, event: CascadeEvent) -> None:
        """Take note of an event on its way past."""
        match event:
            case Hop(target=target):
                self._move(target)
                self.num_hops += 1
            case Starting(tier=tier) | Loading(tier=tier):
                self._move(tier)
            case Working(tier=tier, generated=generated, seconds=seconds):
                self.tier, self.num_tokens, self.writing_s = tier, generated, seconds
            case AnswerDelta(tier=tier) | ThoughtDelta(tier=tier) | ToolCallDelta(tier=tier):
                self.tier = tier or self.tier

    def _move(self, tier: str) -> None:
        self.tier, self.num_tokens, self.writing_s = tier, 0, 0.0


class RunningPrompts:
    """Watches the events of prompts under way."""

    def __init__(self) -> None:
        self._runs: dict[int, _Run] = {}
        self._ids = itertools.count()

    async def watched(
        self, answerer: Answerer, prompt: Prompt, client: str
    ) -> AsyncGenerator[CascadeEvent, None]:
        """Yield the events of one prompt of a client.

        Signs of life are always asked for; a request that did not ask for them gets none.
        """
        options = msgspec.structs.replace(prompt.options, progress=True)
        asked = msgspec.structs.replace(prompt, options=options)
        id_ = next(self._ids)
        run = self._runs[id_] = _Run(client, prompt.options.cascade or "")
        try:
            async with contextlib.aclosing(answerer.answer(asked)) as events:
                async for event in events:
                    run.see(event)
                    if prompt.options.progress or not isinstance(event, Starting | Working):
                        yield event
        finally:
            del self._runs[id_]

    def now(self, default_cascade: str) -> tuple[RunningPrompt, ...]:
        """Describe the prompts under way, the oldest first."""
        now_s = time.monotonic()
        return tuple(
            RunningPrompt(
                client=run.client,
                cascade=run.cascade or default_cascade,
                tier=run.tier,
                num_hops=run.num_hops,
                num_tokens=run.num_tokens,
                writing_s=run.writing_s,
                seconds=now_s - run.began_s,
            )
            for run in self._runs.values()
        )


def without_clients(status: DaemonStatus) -> DaemonStatus:
    """Return a status that does not tell who asks, for those who ask from elsewhere."""
    prompts = tuple(msgspec.structs.replace(run, client="") for run in status.prompts)
    return msgspec.structs.replace(status, prompts=prompts)
