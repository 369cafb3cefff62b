"""Conversions of units: lengths, weights, temperatures, times, sizes of files, bases of numbers.

Does not know calendars: see `dates.py`.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tierchat.learning.mix.item import SENTENCE, Item, Language, item, number, pick
from tierchat.learning.mix.tables import table


def units(rng: random.Random, language: Language) -> Item:
    """One conversion; answers are exact."""
    draw = rng.random()
    if draw < 0.65:
        return _by_factor(rng, language)
    return _temperature(rng, language) if draw < 0.82 else _base(rng, language)


def _by_factor(rng: random.Random, language: Language) -> Item:
    source, target, factor, from_ru, to_ru, values = rng.choice(table("units/factors"))
    value = rng.choice(values.split())
    result = Fraction(value) * Fraction(factor)
    names = (from_ru, to_ru) if language == "ru" else (source, target)
    text = pick(
        rng,
        language,
        (
            "How many {1} are {2} {0}?",
            "Convert {2} {0} to {1}.",
            "{2} {0} in {1}?",
            "{2} {0} to {1}, number only",
        ),
        (
            "{2} {0} — сколько это {1}?",
            "Сколько {1} в {2} {0}?",
            "{2} {0}: сколько {1}?",
        ),
    )
    shown = value.replace(".", ",") if language == "ru" else value
    group = f"{source} {target} {value}"
    return number(text.format(*names, shown), group, f"{float(result):.10g}", max_tokens=SENTENCE)


def _temperature(rng: random.Random, language: Language) -> Item:
    celsius = rng.choice((-40, -20, -10, 0, 5, 10, 15, 20, 25, 30, 35, 40, 60, 100, 180, 200))
    fahrenheit = celsius * 9 // 5 + 32
    text = pick(
        rng,
        language,
        ("{} °{} in {}?", "Convert {} °{} to {}.", "What is {} degrees {} in {}?"),
        ("{} °{} в {}?", "Переведи {} °{} в {}."),
    )
    targets = {"C": ("Celsius", "градусы Цельсия"), "F": ("Fahrenheit", "градусы Фаренгейта")}
    given, to = rng.choice((("C", "F"), ("F", "C")))
    value, result = (celsius, fahrenheit) if given == "C" else (fahrenheit, celsius)
    target = targets[to][language == "ru"]
    group = f"temperature {celsius}"
    return number(text.format(value, given, target), group, result, max_tokens=SENTENCE)


def _base(rng: random.Random, language: Language) -> Item:
    value = rng.choice((5, 10, 13, 21, 42, 64, 100, 127, 200, 255, 300, 511, 1000, 4096))
    kind = rng.choice(("binary", "hexadecimal", "decimal"))
    russian = {
        "binary": "двоичной",
        "hexadecimal": "шестнадцатеричной",
        "decimal": "десятичной",
    }[kind]
    shown = rng.choice((f"0x{value:x}", f"0b{value:b}")) if kind == "decimal" else str(value)
    text = pick(
        rng,
        language,
        (f"What is {shown} in {kind}?", f"Write {shown} in {kind}."),
        (f"Запиши {shown} в {russian} системе счисления.", f"{shown} в {russian} системе?"),
    )
    group = f"base {value}"
    if kind == "decimal":
        return number(text, group, value, max_tokens=SENTENCE)
    digits = f"{value:b}" if kind == "binary" else f"{value:x}"
    prefix = "0b|2#" if kind == "binary" else "0x|#"
    answer = rf"(?i)(?<![0-9a-fx])(?:{prefix}|0*){digits}(?![0-9a-f])"
    off = f"{value + 1:b}" if kind == "binary" else f"{value + 1:x}"
    return item(text, group, digits, [off], grader="regex", answer=answer, max_tokens=SENTENCE)
