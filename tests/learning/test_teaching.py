"""The rounds of a lesson on made-up answers: sizes by measured speed, and an end in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from tests.made_matrix import made_matrix
from tierchat.errors import Timeout
from tierchat.learning.outcomes.matrix import Matrix
from tierchat.learning.outcomes.prompts import GradedPrompt

pytest.importorskip("sklearn", reason="extra [train]")

from tierchat.learning.training.teaching import Budget, Taught, mixed, teach

MATRIX = made_matrix(900)


class Made:
    """Answers from a matrix, each new prompt in `delay_s`."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._rows = {prompt.digest: row for row, prompt in enumerate(MATRIX.prompts)}
        self.known: set[str] = set()

    async def collect(self, prompts: Sequence[GradedPrompt], until_s: float) -> Matrix:
        done = []
        for prompt in prompts:
            if prompt.digest not in self.known:
                if time.monotonic() + self._delay_s > until_s:
                    continue
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                self.known.add(prompt.digest)
            done.append(self._rows[prompt.digest])
        return MATRIX.take(done)

    async def collect_lowest(self, prompts: Sequence[GradedPrompt], _until_s: float) -> Matrix:
        return MATRIX.take([self._rows[prompt.digest] for prompt in prompts])

    def num_known(self, prompts: Sequence[GradedPrompt]) -> int:
        return sum(prompt.digest in self.known for prompt in prompts)


def lesson(answers: Made, seconds: float, max_prompts: int = 900) -> list[Taught]:
    async def run() -> list[Taught]:
        budget = Budget(seconds, max_prompts, has_token=False)
        return [taught async for taught in teach(MATRIX.prompts, answers, budget)]

    return asyncio.run(run())


@pytest.mark.slow
def test_slow_tiers_come_to_a_fit_within_the_time() -> None:
    began_s, answers = time.monotonic(), Made(delay_s=0.05)
    rounds = lesson(answers, 12.0)
    assert time.monotonic() - began_s < 12.0
    num_learned, num_held_out = rounds[0].rounds[-1].num_prompts, len(rounds[0].held_out.rows)
    # A fifth of the 900 can be answered: the first round has fewer than usual, and its share.
    assert 60 <= num_learned < 200 and 15 <= num_held_out <= num_learned / 2
    # The next lesson goes on with these.
    again = lesson(answers, 12.0)
    assert len(answers.known) > num_learned + num_held_out
    assert len(again[-1].learned.rows) > num_learned


def test_quick_tiers_are_measured_on_all_held_out_prompts() -> None:
    [taught] = lesson(Made(), 60.0, max_prompts=200)
    assert len(taught.held_out.rows) == 225 and len(taught.learned.rows) == 200


def test_without_a_limit_there_is_one_round() -> None:
    [taught] = lesson(Made(), 0.0)
    assert len(taught.learned.rows) == 200


def test_too_little_time_for_a_fit_is_told() -> None:
    with pytest.raises(Timeout, match="too few for a gate"):
        lesson(Made(delay_s=0.2), 2.0)


def test_whatever_part_is_answered_holds_something_of_both() -> None:
    held_out, batch = list(MATRIX.prompts[:20]), list(MATRIX.prompts[20:80])
    both = mixed(held_out, batch)
    assert len(both) == 80
    for num in (8, 20, 40):
        assert num / 4 - 1 <= sum(p in held_out for p in both[:num]) <= num / 4 + 1
