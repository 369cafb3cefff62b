"""Edits of a given text: case, order, words taken out, counts.

Does not know meaning: every result is computed. Does not know lists: see `lists.py`.
"""

from __future__ import annotations

import random

from tierchat.learning.mix.item import SENTENCE, Item, Language, item, number, pick
from tierchat.learning.mix.words import SENTENCES, SENTENCES_RU, WORDS, WORDS_RU


def edits(rng: random.Random, language: Language) -> Item:
    """One edit of a word or a sentence."""
    kinds = (_case, _reversed, _replaced, _counted, _nth, _without, _joined, _initials, _case)
    return rng.choice(kinds)(rng, language)


def _sentence(rng: random.Random, language: Language) -> str:
    return rng.choice(SENTENCES_RU if language == "ru" else SENTENCES)


def some_words(rng: random.Random, language: Language, num: int) -> list[str]:
    return rng.sample(WORDS_RU if language == "ru" else WORDS, num)


def text_item(text: str, group: str, right: str, wrong: list[str], *, cased: bool = True) -> Item:
    grader = "cased" if cased else "text"
    return item(text, group, right, wrong, grader=grader, answer=right, max_tokens=SENTENCE)


def _case(rng: random.Random, language: Language) -> Item:
    sentence = _sentence(rng, language)
    kind = rng.choice(("upper", "lower", "title"))
    given = sentence.upper() if kind == "lower" else sentence.lower()
    right = {"upper": given.upper(), "lower": given.lower(), "title": _titled(given)}[kind]
    text = pick(
        rng,
        language,
        {
            "upper": ("Write this in upper case: {}", "Convert to uppercase:\n{}"),
            "lower": ("Write this in lower case: {}", "make this lowercase: {}"),
            "title": ("Capitalize the first letter of every word: {}",),
        }[kind],
        {
            "upper": ("Напиши заглавными буквами: {}", "Переведи в верхний регистр:\n{}"),
            "lower": ("Напиши строчными буквами: {}",),
            "title": ("Сделай первую букву каждого слова заглавной: {}",),
        }[kind],
    ).format(given)
    return text_item(text, f"case {kind} {sentence}", right, [given, right[:-1]])


def _titled(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split())


def _reversed(rng: random.Random, language: Language) -> Item:
    if rng.random() < 0.5:
        word = some_words(rng, language, 1)[0]
        text = pick(
            rng,
            language,
            ('Spell "{}" backwards.', 'Reverse the letters of the word "{}".'),
            ("Напиши слово «{}» задом наперёд.",),
        ).format(word)
        return text_item(text, f"backwards {word}", word[::-1], [word], cased=False)
    words = some_words(rng, language, rng.choice((3, 4, 5)))
    text = pick(
        rng,
        language,
        ("Write these words in reverse order: {}",),
        ("Напиши эти слова в обратном порядке: {}",),
    ).format(" ".join(words))
    right = ", ".join(reversed(words))
    return item(
        text, f"reverse {words}", right, [", ".join(words)], grader="list", answer=right,
        max_tokens=SENTENCE,
    )  # fmt: skip


def _replaced(rng: random.Random, language: Language) -> Item:
    sentence = _sentence(rng, language)
    old = rng.choice([word for word in sentence.split()[1:] if len(word) > 3])
    new = some_words(rng, language, 1)[0]
    right = " ".join(new if word == old else word for word in sentence.split())
    text = pick(
        rng,
        language,
        (
            'Replace "{0}" with "{1}" in this sentence, and print only the sentence: {2}',
            "sed s/{0}/{1}/ on this text, show just the result:\n{2}",
        ),
        ("Замени «{0}» на «{1}» в предложении и выведи только его: {2}",),
    ).format(old, new, sentence)
    return text_item(text, f"replace {old} {new} {sentence}", right, [sentence], cased=False)


def _counted(rng: random.Random, language: Language) -> Item:
    if rng.random() < 0.5:
        sentence = _sentence(rng, language)
        text = pick(
            rng,
            language,
            ("How many words are in this sentence: {}?", 'wc -w for "{}"? Number only.'),
            ("Сколько слов в предложении: {}?",),
        ).format(sentence)
        return number(text, f"words {sentence}", len(sentence.split()), max_tokens=SENTENCE)
    word = some_words(rng, language, 1)[0]
    letter = rng.choice(word)
    text = pick(
        rng,
        language,
        ('How many times does the letter "{1}" occur in "{0}"?',),
        ("Сколько раз буква «{1}» встречается в слове «{0}»?",),
    ).format(word, letter)
    return number(text, f"letter {word}", word.count(letter), max_tokens=SENTENCE)


def _nth(rng: random.Random, language: Language) -> Item:
    sentence = _sentence(rng, language)
    words = sentence.split()
    place = rng.randrange(len(words) - 1)
    ordinals = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
    russian = ("первое", "второе", "третье", "четвёртое", "пятое", "шестое", "седьмое", "восьмое")
    text = pick(
        rng,
        language,
        ('What is the {} word of "{}"? Only the word.', "Print the {} word of: {}"),
        ("Какое {} слово в предложении «{}»? Только слово.",),
    ).format((russian if language == "ru" else ordinals)[place], sentence)
    wrong = [words[place + 1], sentence]
    return text_item(text, f"nth {place} {sentence}", words[place], wrong, cased=False)


def _without(rng: random.Random, language: Language) -> Item:
    if rng.random() < 0.5:
        word = some_words(rng, "en", 1)[0]
        right = "".join(letter for letter in word if letter not in "aeiou")
        text = pick(
            rng,
            language,
            ('Remove all vowels from "{}".', 'Write "{}" without its vowels (a, e, i, o, u).'),
            ("Убери все гласные (a, e, i, o, u) из слова «{}».",),
        ).format(word)
        return text_item(text, f"vowels {word}", right, [word], cased=False)
    words = some_words(rng, language, 3)
    given = "  ".join(words) + "   " + words[0]
    right = f"{' '.join(words)} {words[0]}"
    text = pick(
        rng,
        language,
        ('Squeeze repeated blanks to one: "{}"', 'Collapse the extra spaces in "{}"'),
        ("Замени повторные пробелы одним: «{}»",),
    ).format(given)
    return text_item(text, f"blanks {words}", right, [" ".join(words)], cased=False)


def _joined(rng: random.Random, language: Language) -> Item:
    words = some_words(rng, "en", rng.choice((2, 3)))
    name = rng.choice(("snake_case", "camelCase", "kebab-case", "PascalCase"))
    titled = [word.title() for word in words]
    forms = {
        "snake_case": "_".join(words),
        "camelCase": words[0] + "".join(titled[1:]),
        "kebab-case": "-".join(words),
        "PascalCase": "".join(titled),
    }
    text = pick(
        rng,
        language,
        ('Write "{0}" in {1}.', "{0} in {1}?"),
        ("Запиши «{0}» в виде {1}.",),
    ).format(" ".join(words), name)
    wrong = [form for form in forms.values() if form != forms[name]]
    return text_item(text, f"join {words}", forms[name], wrong)


def _initials(rng: random.Random, language: Language) -> Item:
    words = some_words(rng, language, rng.choice((3, 4, 5)))
    right = "".join(word[0] for word in words)
    text = pick(
        rng,
        language,
        ("Join the first letters of these words: {}", "Take the first letter of each word: {}"),
        ("Соедини первые буквы слов: {}",),
    ).format(" ".join(words))
    wrong = [words[0], right[::-1] + "x"]
    return item(
        text, f"initials {words}", right, wrong, grader="text", answer=right,
        accept=(right.upper(), " ".join(right), ", ".join(right), "-".join(right)),
        max_tokens=SENTENCE,
    )  # fmt: skip
