"""Spelling and grammar: words to mend, forms to build, the right one of two.

Knows the accepted answers.
"""

from __future__ import annotations

import random

from tierchat.learning.mix.item import SENTENCE, Item, Language, item, pick, saying
from tierchat.learning.mix.tables import table


def spelling(rng: random.Random, language: Language) -> Item:
    """One word or sentence."""
    if language == "ru":
        return rng.choice((_mend_ru, _form_ru, _choice))(rng, language)
    return rng.choice((_mend, _mend, _form, _choice, _sentence))(rng, language)


def _mend(rng: random.Random, language: Language) -> Item:
    wrong, right = rng.choice(table("spelling/misspelt"))
    text = rng.choice(
        (
            'Correct the spelling: "{}"',
            "How is {} spelled correctly?",
            "fix the typo: {}. Only the word.",
        )
    ).format(wrong)
    return saying(text, f"misspelt {right}", [right], [wrong], max_tokens=SENTENCE)


def _mend_ru(rng: random.Random, language: Language) -> Item:
    wrong, right = rng.choice(table("spelling/misspelt_ru"))
    text = rng.choice(
        (
            "Исправь ошибку: «{}»",
            "Как правильно пишется: {}?",
            "Исправь, ответь только исправленным: {}",
        )
    ).format(wrong)
    return saying(text, f"misspelt {right}", [right], [wrong], max_tokens=SENTENCE)


def _form(rng: random.Random, language: Language) -> Item:
    is_plural = rng.random() < 0.5
    word, right = rng.choice(table("spelling/plurals" if is_plural else "spelling/past"))
    text = rng.choice(
        ('What is the plural of "{}"?', "Plural of {}? One word.")
        if is_plural
        else ('What is the simple past of "{}"?', "Past tense of {}? One word.")
    ).format(word)
    wrong = [f"{word}{'s' if is_plural else 'ed'}x"]
    return saying(text, f"form {word}", right.split("/"), wrong, max_tokens=SENTENCE)


def _form_ru(rng: random.Random, language: Language) -> Item:
    word, right, name = rng.choice(table("spelling/forms_ru"))
    text = rng.choice(("Напиши {1} слова «{0}».", "{0}: дай {1}, одно слово.")).format(word, name)
    return saying(text, f"form {word}", right.split("/"), [f"{word}и"], max_tokens=SENTENCE)


def _choice(rng: random.Random, language: Language) -> Item:
    choices = table("spelling/choices_ru" if language == "ru" else "spelling/choices")
    sentence, first, second, right = rng.choice(choices)
    text = pick(
        rng,
        language,
        (
            'Which word fits: "{1}" or "{2}"? {0}',
            "{0}\nFill the gap with {1} or {2}. Only that word.",
        ),
        ("Что верно: «{1}» или «{2}»? {0}", "{0}\nВставь «{1}» или «{2}», ответь только этим."),
    ).format(sentence, first, second)
    wrong = second if right == first else first
    filled = sentence.replace("___", right).rstrip(".")
    return item(
        text, f"choice {sentence}", right, [wrong, sentence], grader="text", answer=right,
        accept=(filled, f"{filled}."), max_tokens=SENTENCE,
    )  # fmt: skip


def _sentence(rng: random.Random, language: Language) -> Item:
    broken, right = rng.choice(table("spelling/broken"))
    text = rng.choice(
        (
            "Correct the grammar: {}",
            'Fix this sentence: "{}"',
            "proofread, answer with the corrected sentence only: {}",
        )
    ).format(broken)
    accepted = right.split("/")
    return item(
        text, f"broken {broken}", accepted[0], [broken], grader="text", answer=accepted[0],
        accept=tuple(accepted[1:]), max_tokens=SENTENCE,
    )  # fmt: skip
