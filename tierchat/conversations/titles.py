"""Asks a small tier for the title of a conversation, from its first exchange.

Does not know where titles are saved.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable

from tierchat.events import CascadeEvent, Done
from tierchat.types import Message, Prompt, Sampling, TierOptions

_TIMEOUT_S, _MAX_TOKENS, _MAX_QUOTED = 30.0, 24, 2_000
_ASK = (
    "Give this conversation a title of at most six words. Answer with the title alone.\n\n"
    "Question: {prompt}\n\nAnswer: {answer}"
)


Ask = Callable[[Prompt], AsyncGenerator[CascadeEvent, None]]


async def find_title(ask: Ask, cascade: str, tier: str, prompt: str, answer: str) -> str | None:
    """Ask one tier for a title; None if it offers none. Raises TierchatError."""
    text = _ASK.format(prompt=prompt[:_MAX_QUOTED], answer=answer[:_MAX_QUOTED])
    asked = Prompt(
        messages=(Message(role="user", content=text),),
        sampling=Sampling(temperature=0, max_tokens=_MAX_TOKENS),
        options=TierOptions(
            cascade=cascade, tier=tier, no_escalate=True, hold="answer", timeout_s=_TIMEOUT_S
        ),
        think=False,
    )
    async with contextlib.aclosing(ask(asked)) as events:
        async for event in events:
            if isinstance(event, Done) and event.outcome.finish_reason == "stop":
                return event.outcome.answer.strip().strip('"*#. \n') or None
    return None
