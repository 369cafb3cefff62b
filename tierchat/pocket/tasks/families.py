"""Our own task families: sums, products and sums with numbers left out, asked in many ways.

Does not know reasoning-gym, models or tokens.
"""

from __future__ import annotations

import random

from tierchat.pocket.tasks import arithmetic, phrasings
from tierchat.pocket.tasks.problems import Problem, Wording


def cells() -> tuple[tuple[str, str], ...]:
    """Return (family, level) of our own families, the easiest level of each first."""
    return (
        ("sum", "1"),
        ("sum", "2"),
        ("sum", "3"),
        ("sum", "4"),
        ("product", "1x1"),
        ("product", "2x1"),
        ("product", "2x2"),
        ("product", "3x2"),
        ("product", "3x3"),
        ("leaving_out", "12"),
        ("leaving_out", "50"),
        ("leaving_out", "120"),
        ("leaving_out", "300"),
    )


def draw(family: str, level: str, rng: random.Random, wording: Wording = "trained") -> Problem:
    """Draw one problem of a family and level; the same generator state gives the same problem."""
    if family == "sum":
        return _sum(level, rng, wording)
    if family == "product":
        return _product(level, rng, wording)
    return _leaving_out(level, rng, wording)


def grade(problem: Problem, text: str) -> bool:
    """Compare with the verified answer; only surrounding blanks are forgiven."""
    return text.strip() == problem.answer


def _sum(level: str, rng: random.Random, wording: Wording) -> Problem:
    digits = int(level)
    large = rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)
    shorter = rng.random() < 0.2 and digits > 1
    width = digits - shorter
    other = rng.randint(10 ** (width - 1) if digits > 1 else 0, 10**width - 1)
    if rng.random() < 0.5:
        a, b = (large, other) if rng.random() < 0.5 else (other, large)
        thought, answer = arithmetic.add_columns(a, b)
        sign, words = "+", phrasings.additions()
    else:
        a, b = max(large, other), min(large, other)
        if rng.random() < 0.15:
            a, b = b, a
        thought, answer = arithmetic.subtract_columns(a, b)
        sign, words = "-", phrasings.subtractions()
    prompt = _ask(a, b, sign, words, rng, wording)
    return Problem(
        "task", "sum", level, prompt, answer, thought if digits > 1 else None, wording, digits == 1
    )


def _product(level: str, rng: random.Random, wording: Wording) -> Problem:
    sizes = [int(size) for size in level.split("x")]
    a, b = (rng.randint(10 ** (size - 1) if size > 1 else 0, 10**size - 1) for size in sizes)
    thought, answer = arithmetic.multiply_parts(a, b)
    if rng.random() < 0.5:
        a, b = b, a
    sign = rng.choices("*×x", (8, 1, 1))[0]
    prompt = _ask(a, b, sign, phrasings.products(), rng, wording)
    if level == "2x2":
        thought = arithmetic.multiply_parts(a, b)[0]
    is_direct = level == "1x1"
    return Problem(
        kind="task",
        family="product",
        level=level,
        prompt=prompt,
        answer=answer,
        thought=None if is_direct else thought,
        wording=wording,
        is_easy=is_direct,
        is_hard=level == "3x3",
    )


def _leaving_out(level: str, rng: random.Random, wording: Wording) -> Problem:
    lowest, highest = {"12": (5, 12), "50": (13, 50), "120": (51, 120), "300": (121, 300)}[level]
    n, k = rng.randint(lowest, highest), rng.randint(2, 12)
    if lowest == 51 and rng.random() < 0.3:
        n = rng.choice(range(60, 121, 10))
    if k > n:
        k = rng.randint(2, n)
    thought, answer = arithmetic.sum_leaving_out(n, k)
    text = rng.choice(getattr(phrasings.leaving_out(), wording))
    prompt = text.format(n=n, k=k, th=ordinal(k))
    is_direct = level == "12"
    return Problem(
        kind="task",
        family="leaving_out",
        level=level,
        prompt=prompt,
        answer=answer,
        thought=None if is_direct else thought,
        wording=wording,
        is_easy=is_direct,
        is_hard=level == "300",
    )


def _ask(
    a: int, b: int, sign: str, words: phrasings.Wordings, rng: random.Random, wording: Wording
) -> str:
    general = phrasings.expressions()
    texts = getattr(general if rng.random() < 0.65 else words, wording)
    blank = "" if rng.random() < 0.5 else " "
    return str(rng.choice(texts)).format(a=a, b=b, e=f"{a}{blank}{sign}{blank}{b}")


def ordinal(number: int) -> str:
    """Write an English ordinal: 1st, 2nd, 3rd, 11th, 22nd."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
