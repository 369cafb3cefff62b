"""The number of threads follows what other programs leave, on scripted times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tierchat.engine.threads import ThreadGovernor

# Threads and time in; seconds for a token, and the share of its cores that each thread got.
Machine = Callable[[int, float], tuple[float, float]]


class Run:
    """A model on a scripted machine; the clock only moves by decodes."""

    def __init__(self, machine: Machine, max_threads: int = 2) -> None:
        self.governor = ThreadGovernor(max_threads)
        self.now_s = 100.0
        self._machine = machine

    def decode(self, num_tokens: int = 1) -> int:
        num_threads = self.governor.choose(num_tokens, self.now_s)
        pace_s, share = self._machine(num_threads, self.now_s)
        wall_s = pace_s * num_tokens
        self.now_s += wall_s
        self.governor.record(num_tokens, wall_s, wall_s * num_threads * share, self.now_s)
        return num_threads

    def tokens_in(self, seconds: float) -> int:
        end_s, num = self.now_s + seconds, 0
        while self.now_s < end_s:
            self.decode()
            num += 1
        return num

    def threads_in(self, seconds: float) -> Counter[int]:
        end_s, found = self.now_s + seconds, Counter[int]()
        while self.now_s < end_s:
            found[self.decode()] += 1
        return found


def quiet(num_threads: int, _now_s: float) -> tuple[float, float]:
    return 0.016 / num_threads, 0.97


def beside_a_busy_program(num_threads: int, _now_s: float) -> tuple[float, float]:
    # As measured on two cores: both threads share one, and wait for each other on it.
    return (0.028, 0.5) if num_threads > 1 else (0.016, 0.98)


def test_a_quiet_machine_never_loses_a_thread() -> None:
    assert set(Run(quiet).threads_in(20)) == {2}


def test_the_first_slow_decode_takes_a_thread_away() -> None:
    def collapsed(num_threads: int, _now_s: float) -> tuple[float, float]:
        return (3.0, 0.49) if num_threads > 1 else (0.008, 0.99)

    run = Run(collapsed)
    assert [run.decode() for _ in range(4)] == [2, 1, 1, 1]


def test_beside_a_busy_program_nothing_much_is_lost_to_attempts() -> None:
    best = 30 / 0.016
    assert Run(beside_a_busy_program).tokens_in(30) > 0.97 * best


def test_threads_come_back_soon_after_the_other_program_ends() -> None:
    def machine(num_threads: int, now_s: float) -> tuple[float, float]:
        return (beside_a_busy_program if now_s < 103 else quiet)(num_threads, now_s)

    run = Run(machine)
    run.tokens_in(3)
    assert run.threads_in(5)[2] > 0
    assert set(run.threads_in(20)) == {2}


def test_threads_that_share_their_cores_stay_where_fewer_are_slower() -> None:
    def crowded(num_threads: int, _now_s: float) -> tuple[float, float]:
        # A busy program on each of eight cores: each thread gets half of one.
        return 0.064 / num_threads, 0.5

    run = Run(crowded, max_threads=8)
    found = run.threads_in(60)
    assert found[8] > 0.9 * found.total()


def test_of_many_cores_only_those_are_left_that_are_taken() -> None:
    def one_core_taken(num_threads: int, _now_s: float) -> tuple[float, float]:
        return (0.16 / num_threads, 0.97) if num_threads < 16 else (0.03, 0.4)

    run = Run(one_core_taken, max_threads=16)
    run.tokens_in(1)
    assert 12 <= run.decode() < 16


def test_a_prompt_is_judged_apart_from_single_tokens() -> None:
    def machine(num_threads: int, _now_s: float) -> tuple[float, float]:
        return 0.016, 0.5 if num_threads > 1 else 0.98

    run = Run(machine)
    run.tokens_in(1)
    assert run.decode() == 1
    # More tokens gain more by threads, so what single tokens showed says nothing about them.
    assert run.decode(num_tokens=300) == 2
    assert run.decode(num_tokens=300) == 1


def test_decodes_of_different_sizes_are_not_compared() -> None:
    run = Run(quiet)
    sizes = [1, 2, 1, 9, 4, 1, 16, 1, 7] * 200
    assert {run.decode(size) for size in sizes} == {2}


def test_a_limit_holds_from_the_next_decode_on_and_is_lifted_again() -> None:
    run = Run(quiet, max_threads=4)
    assert run.decode() == 4
    run.governor.set_limit(1)
    assert [run.decode() for _ in range(200)] == [1] * 200
    run.governor.set_limit(3)
    assert [run.decode(), run.decode(num_tokens=64)] == [3, 3]
    run.governor.set_limit(9)
    assert run.governor.limit == run.decode() == 4


def test_a_lifted_limit_does_not_bring_back_threads_that_were_slower() -> None:
    run = Run(beside_a_busy_program, max_threads=4)
    run.tokens_in(0.5)
    assert run.decode() == 1
    run.governor.set_limit(2)
    run.governor.set_limit(4)
    assert run.decode() == 1


def test_what_was_found_out_is_forgotten_after_a_pause() -> None:
    run = Run(beside_a_busy_program)
    run.tokens_in(5)
    assert run.decode() == 1
    run.now_s += 60
    assert run.decode() == 2


@pytest.mark.parametrize("max_threads", [2, 3, 4, 8, 16, 64])
def test_whatever_happens_the_number_of_threads_is_allowed(max_threads: int) -> None:
    from random import Random

    random = Random(max_threads)

    def wild(_num_threads: int, _now_s: float) -> tuple[float, float]:
        return random.choice([0.0001, 0.01, 0.1, 4.0]), random.random()

    run = Run(wild, max_threads)
    for _ in range(3000):
        if random.random() < 0.02:
            run.governor.set_limit(random.randint(1, max_threads + 2))
        num = run.decode(random.choice([1, 1, 1, 2, 40, 512]))
        assert 1 <= num <= run.governor.limit
