from __future__ import annotations

from tierchat.engine.checkpoints import State
from tierchat.engine.kv_cache import KvCache
from tierchat.engine.scheduler import Chunk, Scheduler
from tierchat.engine.sequence import Sequence
from tierchat.types import Sampling


class RollingMemory:
    """A memory that can do everything and holds nothing."""

    can_roll_back = True

    def forget(self, slot: int, start: int) -> bool:
        return True

    def share(self, source: int, target: int, num_tokens: int) -> None:
        """Nothing is held."""

    def save_state(self, slot: int) -> State:
        raise AssertionError("never asked of a memory that can roll back")

    def restore_state(self, slot: int, state: State) -> bool:
        raise AssertionError("never asked of a memory that can roll back")


def scheduler(num_slots: int, batch_size: int = 512, max_outputs: int = 64) -> Scheduler:
    return Scheduler(KvCache(RollingMemory(), num_slots), batch_size, max_outputs)


def sequence(id_: int, num_tokens: int, num_hidden_states: int = 0) -> Sequence:
    # No two share a beginning.
    tokens = [1000 * id_ + at for at in range(num_tokens)]
    return Sequence(id_, tokens, Sampling(), num_hidden_states=num_hidden_states)


def compute(scheduler: Scheduler, chunks: list[Chunk]) -> list[int]:
    """Do what the engine does after a decode; return the ids of those that drew a token."""
    drew = []
    for chunk in chunks:
        each = chunk.sequence
        each.num_computed += chunk.num_tokens
        if each.num_left == 0:
            each.tokens.append(7)
            drew.append(each.id)
    return drew


def test_after_a_preemption_nothing_is_admitted_until_a_sequence_has_left() -> None:
    held = scheduler(num_slots=4)
    first, second, third = (sequence(id_, 20) for id_ in (1, 2, 3))
    for each in (first, second):
        held.add(each)
    compute(held, held.schedule())
    assert held.preempt() is second
    held.add(third)
    for _ in range(3):
        chunks = held.schedule()
        assert [chunk.sequence for chunk in chunks] == [first]
        compute(held, chunks)
    held.finish(third)
    assert [chunk.sequence for chunk in held.schedule()] == [first]
    held.finish(first)
    assert [chunk.sequence for chunk in held.schedule()] == [second]


def test_a_waiting_prompt_is_admitted_where_nothing_runs_any_more() -> None:
    held = scheduler(num_slots=4)
    first, second = sequence(1, 20), sequence(2, 20)
    held.add(first)
    held.add(second)
    compute(held, held.schedule())
    assert held.preempt() is second
    held.running.remove(first)
    assert [chunk.sequence for chunk in held.schedule()] == [second]


def test_a_prompt_with_hidden_states_is_read_beside_any_number_of_answers() -> None:
    held = scheduler(num_slots=64)
    for id_ in range(1, 64):
        held.add(sequence(id_, 5))
    while any(each.num_generated == 0 for each in (*held.running, *held.waiting)):
        compute(held, held.schedule())
    read = sequence(99, 300, num_hidden_states=1)
    held.add(read)
    for _ in range(4):
        drew = compute(held, held.schedule())
        assert len(drew) >= 63
        if 99 in drew:
            break
    assert read.num_generated == 1


def test_the_ends_of_many_prompts_with_hidden_states_share_a_batch() -> None:
    held = scheduler(num_slots=32, batch_size=4096)
    for id_ in range(1, 33):
        held.add(sequence(id_, 100, num_hidden_states=1))
    num_batches = 0
    while any(each.num_generated == 0 for each in (*held.running, *held.waiting)):
        chunks = held.schedule()
        num_batches += 1
        if any(chunk.is_last for chunk in chunks):
            assert sum(chunk.num_tokens for chunk in chunks) <= 64
        compute(held, chunks)
    assert num_batches <= 3
