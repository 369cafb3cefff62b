"""Puzzles of the public generator reasoning-gym, in its own words and graded by it.

Does not know models, tokens or our own phrasings. Adds a worked-out thought for each family.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tierchat.pocket.tasks import arithmetic
from tierchat.pocket.tasks.problems import Problem

_NUM_ITEMS = 100_000_000
_SEED = 1_000_000_000


@dataclass(frozen=True)
class Setting:
    """One family of reasoning-gym at one fixed difficulty.

    XS is taught to answer the easy ones at once; only the top tier is taught the hard ones.
    """

    family: str
    level: str
    is_easy: bool
    has_thought: bool
    config: dict[str, Any] = field(default_factory=dict)
    is_hard: bool = False


def settings() -> tuple[Setting, ...]:
    """Return the settings in use, the easiest level of each family first."""
    plain = {"styles": ("plain",)}
    return (
        Setting("chain_sum", "2x1", True, False, _terms(2, 1, 1)),
        Setting("chain_sum", "3x2", False, True, _terms(3, 1, 2)),
        Setting("chain_sum", "5x2", False, True, _terms(5, 2, 2)),
        Setting("chain_sum", "8x2", False, True, _terms(8, 2, 2), is_hard=True),
        Setting("products", "1x1", True, False, {"min_digits": 1, "max_digits": 1}),
        Setting("products", "2x2", False, True, {"min_digits": 2, "max_digits": 2}),
        Setting("gcd", "20", True, True, {"max_value": 20}),
        Setting("gcd", "100", False, True, {"min_value": 10, "max_value": 100}),
        Setting("lcm", "12", True, True, {"max_value": 12}),
        Setting("lcm", "40", False, True, {"min_value": 5, "max_value": 40}),
        Setting("leg_counting", "2", True, True, _animals(1, 2, 3)),
        Setting("leg_counting", "5", False, True, _animals(3, 5, 9)),
        Setting("count_bits", "63", True, True, {"max_n": 63}),
        Setting("count_bits", "511", False, True, {"min_n": 64, "max_n": 511}),
        Setting("calendar_arithmetic", "leap", True, False, {"tasks": ["is_leap_year"]}),
        Setting(
            "fraction_simplification", "9", True, True, {"max_value": 9, "max_factor": 9, **plain}
        ),
        Setting(
            "fraction_simplification",
            "20",
            False,
            True,
            {"max_value": 20, "max_factor": 9, **plain},
        ),
    )


def _terms(num_terms: int, min_digits: int, max_digits: int) -> dict[str, Any]:
    terms = {"min_terms": num_terms, "max_terms": num_terms}
    return {**terms, "min_digits": min_digits, "max_digits": max_digits}


def _animals(least: int, most: int, max_instances: int) -> dict[str, Any]:
    return {"min_animals": least, "max_animals": most, "max_instances": max_instances}


class Puzzles:
    """Draws problems of every setting."""

    def __init__(self) -> None:
        import reasoning_gym

        self._make = reasoning_gym.create_dataset
        self._datasets: dict[str, Any] = {}

    def draw(self, setting: Setting, rng: random.Random) -> Problem:
        """Draw one problem; the same generator state gives the same problem."""
        cell = f"{setting.family}/{setting.level}"
        if cell not in self._datasets:
            self._datasets[cell] = self._make(
                setting.family, seed=_SEED, size=_NUM_ITEMS, **setting.config
            )
        entry = self._datasets[cell][rng.randrange(_NUM_ITEMS)]
        return Problem(
            kind="task",
            family=setting.family,
            level=setting.level,
            prompt=entry["question"],
            answer=str(entry["answer"]),
            thought=work_out(setting.family, entry["metadata"]) if setting.has_thought else None,
            is_easy=setting.is_easy,
            is_hard=setting.is_hard,
            entry=entry,
        )


def grade(problem: Problem, text: str) -> bool:
    """Grade by reasoning-gym's own `score_answer`; only a full score is right."""
    import reasoning_gym

    score = reasoning_gym.get_score_answer_fn(problem.family)
    return bool(score(answer=text.strip(), entry=problem.entry) == 1.0)


def work_out(family: str, metadata: dict[str, Any]) -> str:
    """Return the thought of one puzzle, from the generator's own record."""
    writers: dict[str, Callable[[dict[str, Any]], str]] = {
        "chain_sum": _chain_sum,
        "products": _products,
        "gcd": lambda m: arithmetic.euclid(*m["numbers"])[0],
        "lcm": lambda m: arithmetic.common_multiple(*m["numbers"])[0],
        "leg_counting": _leg_counting,
        "count_bits": lambda m: arithmetic.one_bits(m["number"])[0],
        "fraction_simplification": _fraction,
    }
    return writers[family](metadata)


def _chain_sum(metadata: dict[str, Any]) -> str:
    expression = metadata["expression"].replace(" ", "")
    return arithmetic.signed_sum([int(t) for t in re.findall(r"[+-]?\d+", expression)])[0]


def _products(metadata: dict[str, Any]) -> str:
    a, b = (int(factor) for factor in metadata["expression"].split(" * "))
    return arithmetic.multiply_parts(a, b)[0]


def _leg_counting(metadata: dict[str, Any]) -> str:
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    counts = [(count, ANIMALS[animal]) for animal, count in metadata["animals"].items()]
    return arithmetic.count_legs(counts)[0]


def _fraction(metadata: dict[str, Any]) -> str:
    top, bottom = metadata["numerator"], metadata["denominator"]
    thought, divisor = arithmetic.euclid(top, bottom)
    d = int(divisor)
    return f"{thought} {top}/{d}={top // d} {bottom}/{d}={bottom // d}"
