"""Problems of the bundled cascade: worked-out thoughts, graders, determinism, held-out wordings."""

from __future__ import annotations

import random
import re

import pytest

from tierchat.pocket.recipe import dataset
from tierchat.pocket.tasks import arithmetic, outside_words, phrasings, smalltalk
from tierchat.pocket.tasks import families as tasks
from tierchat.pocket.tasks.problems import Problem
from tierchat.pocket.tasks.sides import side_of

pytest.importorskip("reasoning_gym", reason="extra [pocket]: the puzzles come from its generator")

_EQUATION = re.compile(r"(?<![\d.(])(-?\d+(?:[-+*/]\d+)+)=(-?\d+)(?![-+*/\d])")


def _value(expression: str) -> int:
    if "/" in expression:
        top, bottom = expression.split("/")
        return int(top) // int(bottom)
    if "*" in expression:
        left, right = expression.split("*")
        return int(left) * int(right)
    return sum(int(term) for term in re.findall(r"[+-]?\d+", expression))


@pytest.mark.parametrize("cell", dataset.cells(), ids="/".join)
def test_every_problem_carries_the_answer_its_own_grader_accepts(cell: tuple[str, str]) -> None:
    source, rng = dataset.ProblemSource("train"), random.Random(5)
    for _ in range(40):
        problem = source.task(rng, cell)
        assert problem.answer is not None
        assert dataset.grade(problem, problem.answer)
        assert not dataset.grade(problem, "nonsense")


@pytest.mark.parametrize("cell", dataset.cells(), ids="/".join)
def test_every_step_of_a_thought_is_true(cell: tuple[str, str]) -> None:
    source, rng = dataset.ProblemSource("train"), random.Random(6)
    for _ in range(40):
        thought = source.task(rng, cell).thought or ""
        for expression, result in _EQUATION.findall(thought):
            assert _value(expression) == int(result), thought


def test_column_thoughts_spell_the_answer_from_the_right() -> None:
    rng = random.Random(7)
    for _ in range(300):
        a, b = rng.randint(100, 9999), rng.randint(0, 9999)
        for work, sign in ((arithmetic.add_columns, 1), (arithmetic.subtract_columns, -1)):
            thought, answer = work(a, b)
            columns = [step.split("=")[1] for step in thought.split() if "=" in step]
            spelled = columns[-1] + "".join(column[-1] for column in columns[-2::-1])
            assert int(spelled) == abs(int(answer)) and int(answer) == a + sign * b


@pytest.mark.parametrize(
    ("thought", "answer"),
    [
        (arithmetic.multiply_parts(17, 24), "408"),
        (arithmetic.sum_leaving_out(100, 7), "4315"),
        (arithmetic.signed_sum([85, 46, -91]), "40"),
        (arithmetic.euclid(36, 84), "12"),
        (arithmetic.common_multiple(24, 18), "72"),
        (arithmetic.one_bits(203), "5"),
        (arithmetic.count_legs([(3, 6), (2, 10)]), "38"),
    ],
)
def test_worked_out_answers_are_right(thought: tuple[str, str], answer: str) -> None:
    assert thought[1] == answer


def test_sums_with_numbers_left_out_agree_with_counting() -> None:
    for n in range(1, 121):
        for k in range(2, 13):
            counted = sum(i for i in range(1, n + 1) if i % k)
            assert arithmetic.sum_leaving_out(n, k)[1] == str(counted)


def test_the_same_seed_gives_the_same_problems() -> None:
    def drawn(seed: int) -> list[Problem]:
        source, rng = dataset.ProblemSource("train"), random.Random(seed)
        return [source.task(rng) for _ in range(100)] + [
            source.outside.draw(rng) for _ in range(100)
        ]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_held_out_wordings_are_never_trained_on() -> None:
    for words in (
        phrasings.expressions(), phrasings.additions(), phrasings.subtractions(),
        phrasings.products(), phrasings.leaving_out(),
    ):  # fmt: skip
        assert not set(words.trained) & set(words.held_out)
    for topic in smalltalk.topics():
        assert not set(topic.trained) & set(topic.held_out)
    for lists in (
        outside_words.topics,
        outside_words.frames,
        outside_words.russian_topics,
        outside_words.russian_frames,
    ):
        assert not set(lists(held_out=False)) & set(lists(held_out=True))


@pytest.mark.slow
def test_no_prompt_is_ever_on_two_sides() -> None:
    rng, drawn = random.Random(9), {}
    for side in ("train", "rounds", "test"):
        source = dataset.ProblemSource(side)
        drawn[side] = {source.task(rng).prompt for _ in range(4_000)}
    assert not drawn["test"] & drawn["train"]
    assert not drawn["test"] & drawn["rounds"]
    assert not drawn["rounds"] & drawn["train"]


def test_no_wording_of_a_tested_product_is_trained() -> None:
    rng, sides = random.Random(10), {}
    for _ in range(4_000):
        problem = tasks.draw("product", "2x2", rng)
        numbers = tuple(re.findall("[0-9]+", problem.prompt))
        assert sides.setdefault(numbers, side_of(problem)) == side_of(problem)


def test_a_grader_forgives_blanks_only() -> None:
    problem = Problem("task", "sum", "1", "2+2", "4")
    assert tasks.grade(problem, " 4\n")
    assert not tasks.grade(problem, "4.") and not tasks.grade(problem, "44")


def test_ordinals_are_written_as_people_write_them() -> None:
    assert [tasks.ordinal(n) for n in (2, 3, 7, 11, 12)] == ["2nd", "3rd", "7th", "11th", "12th"]
