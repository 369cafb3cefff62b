"""Answers of `bench/real.py` as files in the repository, and cells made from them again.

Of what a gate reads, decision A's part is kept: for each tier but the top one the hidden state at
the prompt's end, in half precision, and the prompt's tokens. A cell without them is read again,
which costs hours on a slow machine. Decisions B and C need the answers again (`fill` in a new
home). Cells are named by all that their content depends on (models, prompt, bounds), so that
answers of another model or prompt are never taken.
"""

from __future__ import annotations

import asyncio
import lzma
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from tierchat.gates.order import Probe
from tierchat.learning.outcomes.filling import order_for
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import OutcomeStore
from tierchat.learning.outcomes.work import Models, Stored, Work, key_of
from tierchat.types import Frozen, Signals
from tierchat.workers.complete import complete

# Beside this script, in the repository.
FILE = Path(__file__).parent / "real" / "outcomes.jsonl.xz"
STATES = Path(__file__).parent / "real" / "states.msgpack.xz"
REPLIES = Path(__file__).parent / "real" / "replies.msgpack.xz"
_SAVE_EVERY = 32
# What a top tier has instead of a hidden state, which no gate reads.
NO_STATE = bytes(4)


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


class State(Frozen, frozen=True, array_like=True):
    """What a tier read of a prompt: `hidden` is little-endian float16, tokens are uint32."""

    key: bytes
    first: Signals
    hidden: bytes
    prompt_tokens: bytes


def export(store: OutcomeStore, work: Work, prompts: Sequence[GradedPrompt]) -> int:
    """Add the cells of some prompts to the files; returns how many they hold then."""
    known = {cell.key: cell for cell in _read()}
    states = {state.key: state for state in _read_states()}
    top = len(work.tiers) - 1
    decoder = msgspec.msgpack.Decoder(Stored)
    for tier in range(len(work.tiers)):
        keys = [key for prompt in prompts for key in _keys_of(work, tier, prompt)]
        for key, value in store.load(keys).items():
            cell = decoder.decode(value)
            known.setdefault(key.hex(), _exported(key.hex(), cell))
            if tier != top and cell.probe.first_hidden:
                states.setdefault(key, _state(key, cell))
    lines = b"".join(msgspec.json.encode(known[key]) + b"\n" for key in sorted(known))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(lzma.compress(lines, preset=9))
    whole = msgspec.msgpack.encode([states[key] for key in sorted(states)])
    STATES.write_bytes(lzma.compress(whole, preset=9))
    return len(known)


async def restore(
    work: Work, prompts: Sequence[GradedPrompt], models: Models, store: OutcomeStore
) -> int:
    """Make the cells that the file has and the store lacks; returns how many these were."""
    known = {bytes.fromhex(cell.key): cell for cell in _read()}
    states = {state.key: state for state in _read_states()}
    places: dict[bytes, tuple[int, GradedPrompt]] = {}
    for prompt in prompts:
        found = {
            key: (tier, prompt)
            for tier in range(len(work.tiers))
            for key in _keys_of(work, tier, prompt)
            if key in known
        }
        # A prompt that a tier is still to answer is read then.
        if len({tier for tier, _ in found.values()}) == len(work.tiers):
            places |= found
    there = store.load(places)
    missing = [key for key in places if key not in there]
    # What a tier reads of a prompt is the same, however long its answer may be.
    read = {(t, p.digest): states[key] for key, (t, p) in places.items() if key in states}

    async def make(key: bytes) -> tuple[bytes, bytes]:
        tier, prompt = places[key]
        if tier == len(work.tiers) - 1:
            probe = Probe(
                first=Signals(),
                first_hidden=NO_STATE,
                second=known[key].second,
                second_hidden=NO_STATE,
                logprobs=known[key].logprobs,
                prompt_tokens=(),
            )
        elif state := read.get((tier, prompt.digest)):
            probe = _probe(state, known[key])
        else:
            probe = await _read_again(work, tier, prompt, known[key], models)
        return key, msgspec.msgpack.encode(_stored(known[key], probe))

    async def make_all(tier: int) -> None:
        keys = [key for key in missing if places[key][0] == tier]
        for start in range(0, len(keys), _SAVE_EVERY):
            part = keys[start : start + _SAVE_EVERY]
            store.save(await asyncio.gather(*map(make, part)))

    await asyncio.gather(*map(make_all, range(len(work.tiers))))
    return len(missing)


async def _read_again(
    work: Work, tier: int, prompt: GradedPrompt, cell: Exported, models: Models
) -> Probe:
    order = order_for(work, tier, prompt, 1)
    found = await complete(models, work.tiers[tier].model, order)
    assert found.probe
    return msgspec.structs.replace(
        found.probe, second=cell.second, second_hidden=b"", logprobs=cell.logprobs
    )


def export_replies(store: OutcomeStore, keys: Iterable[bytes]) -> int:
    """Add what tiers said of themselves to the file; returns how many replies it holds then."""
    known = _read_replies() | store.load(list(keys))
    ordered = {key: known[key] for key in sorted(known)}
    REPLIES.write_bytes(lzma.compress(msgspec.msgpack.encode(ordered), preset=9))
    return len(ordered)


def restore_replies(store: OutcomeStore) -> None:
    """Put the replies of the file into the store, which keeps what it has."""
    known = _read_replies()
    there = store.load(known)
    store.save([(key, value) for key, value in known.items() if key not in there])


def _read_replies() -> dict[bytes, bytes]:
    if not REPLIES.exists():
        return {}
    packed = lzma.decompress(REPLIES.read_bytes())
    return msgspec.msgpack.decode(packed, type=dict[bytes, bytes])


def _probe(state: State, cell: Exported) -> Probe:
    hidden = np.frombuffer(state.hidden, "<f2").astype("<f4")
    return Probe(
        first=state.first,
        first_hidden=hidden.tobytes(),
        second=cell.second,
        second_hidden=b"",
        logprobs=cell.logprobs,
        prompt_tokens=tuple(np.frombuffer(state.prompt_tokens, "<u4").tolist()),
    )


def _state(key: bytes, cell: Stored) -> State:
    hidden = np.frombuffer(cell.probe.first_hidden, "<f4").astype("<f2")
    tokens = np.array(cell.probe.prompt_tokens, "<u4")
    return State(key, cell.probe.first, hidden.tobytes(), tokens.tobytes())


def _stored(cell: Exported, probe: Probe) -> Stored:
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


def _keys_of(work: Work, tier: int, prompt: GradedPrompt) -> Iterator[bytes]:
    """Yield the names of a cell under every bound that a smaller tier's answer may have had."""
    for bound in range(1, work.bound(tier, prompt) + 1):
        yield key_of(work, tier, prompt, bound)


def _read_states() -> list[State]:
    if not STATES.exists():
        return []
    return msgspec.msgpack.decode(lzma.decompress(STATES.read_bytes()), type=list[State])


def _read() -> list[Exported]:
    if not FILE.exists():
        return []
    decoder = msgspec.json.Decoder(Exported)
    return [decoder.decode(line) for line in lzma.decompress(FILE.read_bytes()).splitlines()]
