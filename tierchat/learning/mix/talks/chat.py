"""Small talk and open questions, with loose rules; and questions that nobody can answer.

Does not know conversations: see `talk.py`.
"""

from __future__ import annotations

import random

from tierchat.learning.graders.rules import Rules
from tierchat.learning.mix.item import LINES, SENTENCE, Item, Language, item, pick
from tierchat.learning.mix.tables import table
from tierchat.learning.mix.words import CITIES, CITIES_RU, WORDS, WORDS_RU

# What a good answer to some of the questions says: one of these.
_SUBSTANCE = {
    "Why is the sky blue? Short answer.": ("scatter", "рассе"),
    "What is recursion, in one or two sentences?": (
        "itself",
        "subproblem",
        "smaller",
        "recursive",
        "сам",
        "себя",
        "себе",
    ),
    "What is the difference between TCP and UDP, briefly?": (
        *("connection", "reliab", "guarantee", "соединен", "надёжн", "надежн", "гарант"),
    ),
}
_OPENERS = (("", ""), ("Quick one: ", "Быстрый вопрос: "), ("", ""), ("Hey! ", "Привет! "))

_DAYS = ("yesterday", "last Sunday", "this morning", "three days ago")
_DAYS_RU = ("вчера", "в прошлое воскресенье", "сегодня утром", "три дня назад")


def chat(rng: random.Random, language: Language) -> Item:
    """Something to react to: not empty, not a refusal, in the language of the question."""
    english, russian = rng.choice(table("chat/talk"))
    opener = rng.choice(_OPENERS)[language == "ru"]
    text = russian if language == "ru" else english
    if opener.endswith(": ") and not text.startswith(("I ", "I'")):
        text = text[0].lower() + text[1:]
    text = opener + text
    substance = _SUBSTANCE.get(english, ())
    rules = Rules(
        min_words=1,
        max_words=90,
        helps=True,
        script="cyrillic" if language == "ru" else "latin",
        any=substance,
        lacks=("User:", "<|", "Assistant:"),
    )
    # The reference says what is wanted in the language of the question.
    said = " ".join(one for one in substance if one.isascii() == (language == "en"))
    right = f"Конечно, отвечаю {said}." if language == "ru" else f"Sure, here you are: {said}"
    wrong = [
        "I'm sorry, I cannot help with that.",
        "Конечно!" if language == "en" else "Sure thing!",
    ]
    return item(
        text, f"chat {english}", right, wrong, grader="rules", rules=rules, max_tokens=LINES + 32
    )


def unknown(rng: random.Random, language: Language) -> Item:
    """A question whose answer nobody has; right is to say so."""
    english, russian = rng.choice(table("chat/unknown"))
    is_ru = language == "ru"
    text = (russian if is_ru else english).format(
        d=rng.choice(_DAYS_RU if is_ru else _DAYS),
        w=rng.choice(WORDS_RU if is_ru and "txt" not in russian else WORDS),
        c=rng.choice(CITIES_RU if is_ru else CITIES),
        n=rng.choice((10, 50, 100, 1000)),
        y=rng.choice((2041, 2058, 2063)),
    )
    text += pick(rng, language, ("", "", " Be honest."), ("", "", " Отвечай честно."))
    wrong = ["42", "It is Rex.", "Это Рекс.", "Sunny, 25 degrees."]
    right = "Я не могу этого знать." if is_ru else "I have no way to know that."
    return item(
        text, f"unknown {english}", right, wrong, grader="refuses", max_tokens=SENTENCE + 48
    )
