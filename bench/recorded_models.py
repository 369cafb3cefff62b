"""Answers of models that are kept on disk, so that a policy can be walked again without a model.

Stands between a cascade and its pool. Does not know policies or tasks. The same request to the same
file gets the events that it got before; which of its tokens were cached is counted anew, as that
depends on what the model has read before on this walk.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from tierchat.gates.order import Earlier
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Escalated, Failed, Finished, Generate, Progress, RequestEvent
from tierchat.workers.text_orders import Count, Tokenized

# To be raised when a record comes to mean something else.
_FORMAT = 1


class Record(msgspec.Struct, frozen=True):
    """What a request came to: its events, and the tokens of its prompt."""

    events: tuple[RequestEvent, ...]
    tokens: tuple[int, ...]


class RecordedModels:
    """The models of a cascade, each request run once; their caches are empty at the beginning."""

    def __init__(self, pool: Pool, store: OutcomeStore, files: Mapping[str, str]) -> None:
        """`files` names the content of each model, by its sha256."""
        self._pool, self._store, self._files = pool, store, files
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Record)
        self._read: dict[str, list[tuple[int, ...]]] = {}
        self.num_run = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def is_loaded(self, model: str) -> bool:
        """Every model is expected to be in memory, as in a daemon that is in use."""
        return True

    async def generate(self, model: str, order: Generate) -> AsyncGenerator[RequestEvent, None]:
        key = self._key(model, order)
        found = self._store.load([key])
        if key in found:
            record = self._decoder.decode(found[key])
        else:
            self.num_run += 1
            record = await self._run(model, order)
            self._store.save([(key, self._encoder.encode(record))])
        num_cached = self._cached(model, record.tokens)
        for event in record.events:
            if isinstance(event, Finished | Escalated):
                usage = msgspec.structs.replace(event.usage, cached_tokens=num_cached)
                yield msgspec.structs.replace(event, usage=usage)
            else:
                yield event

    async def _run(self, model: str, order: Generate) -> Record:
        async with aclosing(self._pool.generate(model, order)) as running:
            all_events = [event async for event in running]
        events = tuple(event for event in all_events if not isinstance(event, Progress))
        if isinstance(events[-1], Failed):
            raise SystemExit(f"{model} failed: {events[-1].message}")
        counted = Count(id=0, messages=order.messages, tools=order.tools, think=order.think)
        async with aclosing(self._pool.generate(model, counted)) as counting:
            async for event in counting:
                if isinstance(event, Tokenized):
                    return Record(events, event.tokens)
        raise SystemExit(f"{model} did not count a prompt")

    def _cached(self, model: str, tokens: Sequence[int]) -> int:
        """Return how much of a prompt the model has read before; the last token is always read."""
        before = self._read.setdefault(model, [])
        shared = max((_num_common(old, tokens) for old in before), default=0)
        before.append(tuple(tokens))
        return min(shared, len(tokens) - 1)

    def _key(self, model: str, order: Generate) -> bytes:
        gate = order.gate
        if gate.kind != "row":
            # No other gate reads what was before.
            gate = msgspec.structs.replace(gate, earlier=Earlier(), expected={})
        if not gate.targets:
            # The ladder's models have no escalate token to decline with.
            gate = msgspec.structs.replace(gate, may_escalate=False)
        plain = msgspec.structs.replace(order, id=0, gate=msgspec.structs.replace(gate, file=""))
        content = self._encoder.encode((_FORMAT, self._files[model], plain))
        return hashlib.blake2b(content, digest_size=20).digest()


def _num_common(one: Sequence[int], other: Sequence[int]) -> int:
    limit = min(len(one), len(other))
    if one[:limit] == tuple(other[:limit]):
        return limit
    return next(i for i in range(limit) if one[i] != other[i])
