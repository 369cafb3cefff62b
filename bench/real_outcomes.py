"""Answers of `bench/real.py` as a file in the repository, and cells made from them again.

Everything that a gate reads is kept but hidden states and prompt tokens, which would be large:
these come back by reading a prompt and writing its first few answer tokens again, a small part of
the work. Cells are named by all that their content depends on (models, prompt, bounds), so that
answers of another model or prompt are never taken.
"""

from __future__ import annotations

import asyncio
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tierchat.learning.outcomes.filling import order_for
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.work import Models, Stored, Work, key_of
from tierchat.types import Frozen, Signals
from tierchat.workers.complete import complete

# Beside this script, in the repository.
FILE = Path(__file__).parent / "real" / "outcomes.jsonl.xz"
_SAVE_EVERY = 64


class Exported(Frozen, frozen=True, omit_defaults=True):
    """One cell without its hidden states; `logprobs` are rounded to thousandths of a nat."""

    key: str
    answer: str
    reason: str
    num_prompt_tokens: int
    num_generated_tokens: int
    seconds: float
    second: Signals
    logprobs: tuple[float, ...]
    answer_min_logprob: float | None = None


def export(store: OutcomeStore, work: Work, prompts: Sequence[GradedPrompt]) -> int:
    """Add the cells of some prompts to the file; returns how many it holds then."""
    known = {cell.key: cell for cell in _read()}
    keys = [key for prompt in prompts for key in _keys(work, prompt)]
    decoder = msgspec.msgpack.Decoder(Stored)
    for key, value in store.load(keys).items():
        known.setdefault(key.hex(), _exported(key.hex(), decoder.decode(value)))
    lines = b"".join(msgspec.json.encode(known[key]) + b"\n" for key in sorted(known))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(lzma.compress(lines, preset=9))
    return len(known)


async def restore(
    work: Work, prompts: Sequence[GradedPrompt], models: Models, store: OutcomeStore
) -> int:
    """Make the cells that the file has and the store lacks; returns how many these were."""
    known = {bytes.fromhex(cell.key): cell for cell in _read()}
    places = {
        key: (tier, prompt)
        for prompt in prompts
        for tier in range(len(work.tiers))
        for key in _keys_of(work, tier, prompt)
        if key in known
    }
    there = store.load(places)
    for tier in range(len(work.tiers)):
        missing = [k for k, (t, _) in places.items() if t == tier and k not in there]
        for start in range(0, len(missing), _SAVE_EVERY):
            part = missing[start : start + _SAVE_EVERY]
            jobs = [_made(work, tier, places[k][1], known[k], models) for k in part]
            cells = await asyncio.gather(*jobs)
            encoded = [msgspec.msgpack.encode(cell) for cell in cells]
            store.save(zip(part, encoded, strict=True))
    return len(places) - len(there)


async def _made(
    work: Work, tier: int, prompt: GradedPrompt, cell: Exported, models: Models
) -> Stored:
    """Read the prompt and write as many tokens again as gates read hidden states of."""
    order = order_for(work, tier, prompt, work.hold_back)
    found = await complete(models, work.tiers[tier].model, order)
    assert found.probe
    # A greedy answer begins the same, as far as kernels of another machine agree.
    probe = msgspec.structs.replace(found.probe, second=cell.second, logprobs=cell.logprobs)
    return Stored(
        answer=cell.answer,
        reason=cell.reason,
        num_prompt_tokens=cell.num_prompt_tokens,
        num_generated_tokens=cell.num_generated_tokens,
        seconds=cell.seconds,
        probe=probe,
        answer_min_logprob=cell.answer_min_logprob,
    )


def _exported(key: str, cell: Stored) -> Exported:
    return Exported(
        key=key,
        answer=cell.answer,
        reason=cell.reason,
        num_prompt_tokens=cell.num_prompt_tokens,
        num_generated_tokens=cell.num_generated_tokens,
        seconds=round(cell.seconds, 2),
        second=cell.probe.second,
        logprobs=tuple(round(value, 3) for value in cell.probe.logprobs),
        answer_min_logprob=cell.answer_min_logprob,
    )


def _keys(work: Work, prompt: GradedPrompt) -> Iterator[bytes]:
    for tier in range(len(work.tiers)):
        yield from _keys_of(work, tier, prompt)


def _keys_of(work: Work, tier: int, prompt: GradedPrompt) -> Iterator[bytes]:
    """Yield the names of a cell under every bound that a smaller tier's answer may have had."""
    for bound in range(1, work.bound(tier, prompt) + 1):
        yield key_of(work, tier, prompt, bound)


def _read() -> list[Exported]:
    if not FILE.exists():
        return []
    decoder = msgspec.json.Decoder(Exported)
    return [decoder.decode(line) for line in lzma.decompress(FILE.read_bytes()).splitlines()]
