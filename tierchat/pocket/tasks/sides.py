"""Which side a prompt is on: for training, for the arbiter rounds, or for tests only.

Does not know how problems are drawn. The side follows from a problem's content alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Literal

from tierchat.pocket.tasks.problems import Problem

Side = Literal["train", "rounds", "test"]
_NUM_BUCKETS = 16
_UPPER_LEVELS = {"gcd": "100", "lcm": "40", "fraction_simplification": "20"}
_DECORATION = re.compile(r"[\s?.!:=,\"'`]+")


def side_of(problem: Problem) -> Side:
    """Put one bucket of 16 aside for the test and one for the rounds.

    A problem that must be worked out is identified by family, level and numbers in their order: no
    wording of a tested 17 times 24 is ever trained on, but 24 times 17 may be. A problem of the
    small tables (about a hundred facts) is identified by its words without blanks and punctuation,
    so its fact may be trained in another wording. A puzzle that both levels of its family can ask
    is set aside only if both ways of identifying it set it aside.
    """
    by_words = _side(_DECORATION.sub("", problem.prompt.casefold()))
    if problem.is_easy and not _is_in_both_levels(problem):
        return by_words
    numbers = " ".join(re.findall(r"[0-9]+", problem.prompt))
    upper_level = _UPPER_LEVELS.get(problem.family, problem.level)
    by_numbers = _side(f"{problem.family}/{upper_level} {numbers}")
    if _is_in_both_levels(problem):
        return by_words if by_words == by_numbers else "train"
    return by_numbers


def _side(key: str) -> Side:
    bucket = hashlib.blake2b(key.encode(), digest_size=2).digest()[0] % _NUM_BUCKETS
    return "test" if bucket == 0 else "rounds" if bucket == 1 else "train"


def _is_in_both_levels(problem: Problem) -> bool:
    numbers = [int(number) for number in re.findall(r"[0-9]+", problem.prompt)]
    match problem.family:
        case "gcd":
            return min(numbers) >= 10 and max(numbers) <= 20
        case "lcm":
            return min(numbers) >= 5 and max(numbers) <= 12
        case "fraction_simplification":
            divisor = math.gcd(*numbers)
            return max(numbers) // divisor <= 9
    return False
