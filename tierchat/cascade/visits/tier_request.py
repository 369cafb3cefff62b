"""What a tier is asked: the messages, how it draws tokens, and how its gate may decide.

Does not know workers or what became of the request.
"""

from __future__ import annotations

import asyncio

import msgspec

from tierchat.cascade.visits.gate_orders import order_for
from tierchat.cascade.way import Way
from tierchat.models.sampling import Resolved
from tierchat.types import Message, Sampling
from tierchat.workers.protocol import Generate


async def resolve_sampling(way: Way) -> Resolved:
    """Return how the current tier draws tokens; this may read the header of its file."""
    asked, find = way.prompt.sampling, way.cascade.sampling
    if find is None:
        return Resolved(asked.filled(way.tier.sampling), {})
    sources = await asyncio.to_thread(find, way.tier.name)
    return sources.resolve(asked)


# With it SmolLM2-135M ends a call in which it repeated itself.
_REPAIR_PENALTY = 1.15


def request_for(way: Way) -> Generate:
    """Return the request for the current tier."""
    order = order_for(
        way.tier,
        way.route,
        way.prompt.options,
        way.cascade.spec,
        way.cascade.gate,
        way.cascade.beginning,
    )
    return Generate(
        id=0,
        messages=_messages(way),
        sampling=_sampling(way),
        think=way.tier.think,
        is_raw=way.prompt.options.raw,
        tokens=way.prompt.tokens,
        logprobs=way.prompt.logprobs,
        scores_prompt=way.prompt.scores_prompt,
        only_reads=way.prompt.only_reads,
        tools=way.tools,
        gate=way.waits.limit(order),
    )


def _sampling(way: Way) -> Sampling:
    """Return how tokens are drawn; a call that is repaired must not be drawn as before."""
    sampling = way.sampling.sampling
    if not way.is_repairing or (sampling.repeat_penalty or 1.0) > 1.0:
        return sampling
    return msgspec.structs.replace(sampling, repeat_penalty=_REPAIR_PENALTY)


def _messages(way: Way) -> tuple[Message, ...]:
    *earlier, last = way.prompt.messages
    if not way.draft or last.role != "user":
        return way.prompt.messages
    text = f"{last.content}\n\nA smaller model's draft, perhaps wrong:\n{way.draft}"
    return (*earlier, Message(role=last.role, content=text))
