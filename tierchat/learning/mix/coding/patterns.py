"""Regular expressions to write: shapes made of pieces, and well-known forms.

Does not know how an expression is tried.
"""

from __future__ import annotations

import random

from tierchat.learning.mix.item import LINES, Item, Language, item, pick
from tierchat.learning.mix.tables import blocks

# English singular and plural, Russian genitive plural, the class, and samples of it.
_PIECES = (
    ("digit", "digits", "цифр", "[0-9]", "4071925368"),
    ("capital letter", "capital letters", "заглавных латинских букв", "[A-Z]", "QWRTZPSDFG"),
    ("lower-case letter", "lower-case letters", "строчных латинских букв", "[a-z]", "qwrtzpsdfg"),
    ("hexadecimal digit (0-9, a-f)", "hexadecimal digits (0-9, a-f)",
     "шестнадцатеричных цифр (0-9, a-f)", "[0-9a-f]", "3fa09bc7d2"),
)  # fmt: skip
_BETWEEN = (
    ("a dash", "дефис", "-"),
    ("an underscore", "подчёркивание", "_"),
    ("a colon", "двоеточие", ":"),
    ("a slash", "косая черта", "/"),
    ("a dot", "точка", "."),
)
_ENGLISH = (
    "Write a regular expression that matches {}. Only the expression.",
    "regex for {}",
    "Give me a regex (Python) that matches exactly {}, nothing before or after it.",
)
_RUSSIAN = (
    "Напиши регулярное выражение, которое описывает {}. Только выражение.",
    "Регулярка: {}",
)


def patterns(rng: random.Random, language: Language) -> Item:
    """One expression to write."""
    if rng.random() < 0.5:
        english, russian, solution, *texts = rng.choice(blocks("patterns"))
        matches, mismatches = (
            tuple(text[1:].replace("[empty]", "") for text in texts if text.startswith(mark))
            for mark in "+-"
        )
        return _pattern(rng, language, (english, russian), solution, matches, mismatches)
    first, second = rng.sample(_PIECES, 2)
    mark = rng.choice(_BETWEEN)
    a, b = rng.randrange(2, 6), rng.randrange(2, 6)
    english = f"{a} {first[1]}, then {mark[0]}, then {b} {second[1]}"
    russian = f"текст: {a} {first[2]}, затем {mark[1]}, затем {b} {second[2]}"
    solution = f"{first[3]}{{{a}}}{mark[2].replace('.', '[.]')}{second[3]}{{{b}}}"

    def made(num_first: int, between: str, num_second: int) -> str:
        return first[4][:num_first] + between + second[4][:num_second]

    other = "+" if mark[2] != "+" else "="
    return _pattern(
        rng,
        language,
        (english, russian),
        solution,
        (made(a, mark[2], b), first[4][-a:] + mark[2] + second[4][-b:]),
        (made(a - 1, mark[2], b), made(a, other, b), made(a, mark[2], b + 1), made(a, "", b), "?"),
    )


def _pattern(
    rng: random.Random,
    language: Language,
    names: tuple[str, str],
    solution: str,
    matches: tuple[str, ...],
    mismatches: tuple[str, ...],
) -> Item:
    text = pick(rng, language, _ENGLISH, _RUSSIAN).format(names[language == "ru"])
    return item(
        text, f"pattern/{names[0]}", f"`{solution}`", [".*", "Use a loop instead."],
        grader="regex_works", matches=matches, mismatches=mismatches, max_tokens=LINES,
    )  # fmt: skip
