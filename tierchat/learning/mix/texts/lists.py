"""Lists to sort, to filter and to look into.

Does not know sentences: see `edits.py`.
"""

from __future__ import annotations

import random

from tierchat.learning.mix.item import LINES, SENTENCE, Item, Language, item, number, pick
from tierchat.learning.mix.texts.edits import some_words, text_item


def lists(rng: random.Random, language: Language) -> Item:
    """One operation on a list of words or numbers."""
    kinds = (_sorted_words, _sorted_numbers, _distinct, _filtered, _extreme, _position, _numbered)
    return rng.choice(kinds)(rng, language)


def _list_item(text: str, group: str, right: str, wrong: str, *, ordered: bool = True) -> Item:
    grader = "list" if ordered else "set"
    return item(text, group, right, [wrong], grader=grader, answer=right, max_tokens=LINES)


def _sorted_words(rng: random.Random, language: Language) -> Item:
    words = some_words(rng, language, rng.choice((3, 4, 5, 7)))
    # ё stands beside е for people and after я for computers.
    right = sorted(words, key=lambda word: word.replace("ё", "е"))
    text = pick(
        rng,
        language,
        ("Sort these words alphabetically: {}", "sort: {}\nAnswer with a comma-separated list."),
        ("Отсортируй слова по алфавиту: {}",),
    ).format(", ".join(words))
    return _list_item(text, f"sort {sorted(words)}", ", ".join(right), ", ".join(right[::-1]))


def _sorted_numbers(rng: random.Random, language: Language) -> Item:
    numbers = rng.sample(range(rng.choice((20, 100, 1000))), rng.choice((4, 5, 7)))
    is_down = rng.random() < 0.4
    text = pick(
        rng,
        language,
        ("Sort in {} order: {}", "Sort these numbers, {}: {}"),
        ("Отсортируй числа, порядок {}: {}",),
    )
    names = ("descending", "убывающий") if is_down else ("ascending", "возрастающий")
    right = sorted(numbers, reverse=is_down)
    text = text.format(names[language == "ru"], ", ".join(map(str, numbers)))
    wrong = ", ".join(map(str, right[::-1]))
    return _list_item(text, f"sort {sorted(numbers)}", ", ".join(map(str, right)), wrong)


def _distinct(rng: random.Random, language: Language) -> Item:
    words = some_words(rng, language, rng.choice((3, 4)))
    given = [*words, *rng.sample(words, 2)]
    rng.shuffle(given)
    right = list(dict.fromkeys(given))
    text = pick(
        rng,
        language,
        ("Remove the duplicates from this list: {}", "Keep each item once: {}"),
        ("Убери повторы из списка: {}",),
    ).format(", ".join(given))
    return _list_item(text, f"distinct {given}", ", ".join(right), ", ".join(given), ordered=False)


def _filtered(rng: random.Random, language: Language) -> Item:
    numbers = rng.sample(range(1, 60), 7)
    kind = rng.choice(("even", "odd", "greater than 30"))
    right = {
        "even": [n for n in numbers if n % 2 == 0],
        "odd": [n for n in numbers if n % 2],
        "greater than 30": [n for n in numbers if n > 30],
    }[kind]
    if not right:
        return _filtered(rng, language)
    russian = {"even": "чётные", "odd": "нечётные", "greater than 30": "больше 30"}[kind]
    text = pick(
        rng,
        language,
        (
            "Which of these numbers are {}: {}? List only them.",
            "Keep only the numbers that are {}: {}",
        ),
        ("Оставь только числа, которые {}: {}",),
    ).format(russian if language == "ru" else kind, ", ".join(map(str, numbers)))
    written = ", ".join(map(str, right))
    return _list_item(
        text, f"filter {numbers}", written, ", ".join(map(str, numbers)), ordered=False
    )


def _extreme(rng: random.Random, language: Language) -> Item:
    if rng.random() < 0.5:
        numbers = rng.sample(range(-50, 1000), rng.choice((4, 6, 8)))
        is_max = rng.random() < 0.5
        text = pick(
            rng,
            language,
            ("What is the {} of these numbers: {}?",),
            ("Какое из чисел самое {}: {}?",),
        ).format(
            ("largest", "большое")[language == "ru"]
            if is_max
            else ("smallest", "маленькое")[language == "ru"],
            ", ".join(map(str, numbers)),
        )
        right = max(numbers) if is_max else min(numbers)
        return number(text, f"extreme {numbers}", right, max_tokens=SENTENCE)
    words = some_words(rng, language, 4)
    longest = max(words, key=len)
    if [len(word) for word in words].count(len(longest)) > 1:
        return _extreme(rng, language)
    text = pick(
        rng, language, ("Which word is the longest: {}? Only the word.",),
        ("Какое слово самое длинное: {}? Только слово.",),
    ).format(", ".join(words))  # fmt: skip
    return text_item(text, f"longest {words}", longest, [min(words, key=len)], cased=False)


def _position(rng: random.Random, language: Language) -> Item:
    words = some_words(rng, language, 6)
    place = rng.randrange(6)
    text = pick(
        rng, language,
        ("In the list {0}, what is item number {1}? Only the item.",),
        ("Какой элемент номер {1} в списке {0}? Только элемент.",),
    ).format(", ".join(words), place + 1)  # fmt: skip
    return text_item(text, f"position {words}", words[place], [words[place - 1]], cased=False)


def _numbered(rng: random.Random, language: Language) -> Item:
    words = some_words(rng, language, rng.choice((3, 4)))
    text = pick(
        rng, language,
        ("Turn this into a numbered list, one item a line: {}", "Make it a list with numbers: {}"),
        ("Сделай нумерованный список, по одному на строке: {}",),
    ).format(", ".join(words))  # fmt: skip
    right = "\n".join(f"{place}. {word}" for place, word in enumerate(words, 1))
    pattern = r"(?is)" + r"\s*".join(rf"{p}[.)]\s*\W*{w}\W*" for p, w in enumerate(words, 1))
    return item(
        text, f"numbered {words}", right, [", ".join(words)], grader="regex", answer=pattern,
        max_tokens=LINES,
    )  # fmt: skip
