"""Arithmetic, as it is typed into a terminal: short answers and worked-out ones.

Does not know words around the numbers: see `problems.py`.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction

from tierchat.learning.mix.item import STEPS, WORD, Item, Language, number, pick

_ONLY = {
    "en": ("", "", " Answer with the number only.", " Only the result, please."),
    "ru": ("", "", " Ответь только числом.", " Только результат."),
}
_WORKED = {
    "en": (
        "\nThink step by step, and end with the answer as a number.",
        "\nShow your work. Put the result on the last line.",
    ),
    "ru": (
        "\nРассуждай по шагам и закончи ответом в виде числа.",
        "\nПокажи вычисления. Результат — на последней строке.",
    ),
}


def short(rng: random.Random, language: Language) -> Item:
    """A sum whose result alone is asked for."""
    text, value, group = _sum(rng, language)
    return number(text + rng.choice(_ONLY[language]), group, value, max_tokens=WORD)


def worked(rng: random.Random, language: Language) -> Item:
    """A sum to be worked out on paper."""
    text, value, group = _sum(rng, language, is_hard=True)
    return number(text + rng.choice(_WORKED[language]), group, value, max_tokens=STEPS)


def _sum(rng: random.Random, language: Language, *, is_hard: bool = False) -> tuple[str, str, str]:
    """Return the question, its value and its group."""
    kinds = (_chain, _product, _percent, _power, _brackets, _division, _fraction, _series)
    kind = rng.choice(kinds[1:] if is_hard else (_chain, _chain, *kinds))
    text, value, is_expression = kind(rng, language)
    name = f"{kind.__name__.strip('_')}/{text}"
    if is_expression:
        text = pick(
            rng,
            language,
            ("{}", "{} =", "What is {}?", "Compute {}.", "how much is {}"),
            ("{}", "{} =", "Сколько будет {}?", "Вычисли {}.", "посчитай {}"),
        ).format(text)
    written = str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"
    return text, written, name


Sum = tuple[str, Fraction, bool]


def _chain(rng: random.Random, _: Language) -> Sum:
    size = rng.choice((10, 10, 100, 1000))
    terms = [rng.randrange(1, size) for _ in range(rng.choice((2, 2, 3, 4)))]
    text, value = str(terms[0]), terms[0]
    for term in terms[1:]:
        is_plus = rng.random() < 0.6
        blank = rng.choice((" ", ""))
        text += f"{blank}{'+' if is_plus else '-'}{blank}{term}"
        value += term if is_plus else -term
    return text, Fraction(value), True


def _product(rng: random.Random, _: Language) -> Sum:
    a, b = rng.choice(((10, 10), (13, 13), (100, 10), (100, 100), (1000, 100)))
    a, b = rng.randrange(2, a), rng.randrange(2, b)
    return (
        rng.choice(("{}*{}", "{} * {}", "{} × {}", "{} x {}")).format(a, b),
        Fraction(a * b),
        True,
    )


def _percent(rng: random.Random, language: Language) -> Sum:
    share, whole = rng.choice((5, 10, 15, 20, 25, 30, 40, 75, 12, 35)), 20 * rng.randrange(1, 60)
    text = pick(rng, language, ("{}% of {}",), ("{}% от {}",)).format(share, whole)
    return text, Fraction(share * whole, 100), True


def _power(rng: random.Random, language: Language) -> Sum:
    if rng.random() < 0.5:
        root = rng.choice((*range(4, 32), 45, 60, 75))
        text = pick(
            rng,
            language,
            ("the square root of {}", "sqrt({})"),
            ("квадратный корень из {}", "sqrt({})"),
        )
        return text.format(root * root), Fraction(root), True
    base, exponent = rng.choice([(2, n) for n in range(3, 17)] + [(n, 3) for n in range(3, 13)])
    return rng.choice(("{}^{}", "{}**{}")).format(base, exponent), Fraction(base**exponent), True


def _brackets(rng: random.Random, _: Language) -> Sum:
    a, b, c, d = (rng.randrange(2, 20) for _ in range(4))
    forms = (
        (f"({a} + {b}) * {c}", (a + b) * c),
        (f"{a} + {b} * {c}", a + b * c),
        (f"{a} * {b} - {c} * {d}", a * b - c * d),
        (f"({a} + {b}) * ({c} - {d})", (a + b) * (c - d)),
        (f"2 * ({a} + {b} * {c}) - {d}", 2 * (a + b * c) - d),
    )
    text, value = rng.choice(forms)
    return text, Fraction(value), True


def _division(rng: random.Random, language: Language) -> Sum:
    a, b = rng.randrange(2, 60), rng.randrange(2, 25)
    if rng.random() < 0.6:
        return rng.choice(("{} / {}", "{}/{}", "{} ÷ {}")).format(a * b, b), Fraction(a), True
    rest = rng.randrange(1, b)
    text = pick(
        rng,
        language,
        ("What is the remainder when {} is divided by {}?", "{} mod {}?"),
        ("Какой остаток при делении {} на {}?", "{} mod {}?"),
    )
    return text.format(a * b + rest, b), Fraction(rest), False


def _fraction(rng: random.Random, _: Language) -> Sum:
    a, b = rng.choice((2, 4, 5, 8, 10)), rng.choice((2, 4, 5, 8, 10))
    x, y = Fraction(rng.randrange(1, a), a), Fraction(rng.randrange(1, b), b)
    sign = rng.choice("+-*") if x >= y else rng.choice("+*")
    value = {"+": x + y, "-": x - y, "*": x * y}[sign]
    text = f"{x.numerator}/{x.denominator} {sign} {y.numerator}/{y.denominator}"
    return text, value, True


def _series(rng: random.Random, language: Language) -> Sum:
    last, step = rng.choice((10, 20, 50, 100, 30)), rng.choice((1, 1, 2, 3, 7))
    if step == 1:
        forms, value = ("the sum of all whole numbers from 1 to {}",), last * (last + 1) // 2
        russian = ("сумма всех целых чисел от 1 до {}",)
        return pick(rng, language, forms, russian).format(last), Fraction(value), True
    text = pick(
        rng,
        language,
        ("the sum of the numbers from 1 to {} that are divisible by {}",),
        ("сумма чисел от 1 до {}, которые делятся на {}",),
    )
    total = sum(range(step, last + 1, step))
    if rng.random() < 0.3:
        a, b = rng.randrange(12, 90), rng.randrange(12, 90)
        text = pick(
            rng,
            language,
            ("the greatest common divisor of {} and {}",),
            ("наибольший общий делитель чисел {} и {}",),
        )
        return text.format(a * step, b * step), Fraction(math.gcd(a * step, b * step)), True
    return text.format(last, step), Fraction(total), True
