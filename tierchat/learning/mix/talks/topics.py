"""Conversations that change their topic, or ask about what the user said before.

Does not know follow-ups and corrections.
"""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec

from tierchat.learning.mix.item import WORD, Draw, Item, Language, pick, saying
from tierchat.learning.mix.knowledge import facts, logic, sums, units
from tierchat.learning.mix.talks.follow_ups import after
from tierchat.learning.mix.texts import classify, edits, lists
from tierchat.learning.mix.words import CITIES, CITIES_RU, PEOPLE, PEOPLE_RU, WORDS, WORDS_RU

# What may come before or after a change of topic: short to ask and to answer.
_SINGLE: tuple[Draw, ...] = (
    *(facts.world, facts.science, facts.computing, units.units, sums.short, edits.edits),
    *(lists.lists, logic.logic, classify.classify),
)


def topics(rng: random.Random, language: Language) -> Item:
    """A question that has nothing to do with what was said before."""
    num_before = rng.choice((1, 1, 2))
    before = [rng.choice(_SINGLE)(rng, language) for _ in range(num_before)]
    last = rng.choice(_SINGLE)(rng, language)
    turns = [part for one in before for part in (one.prompt.prompt, one.right)]
    opener = pick(
        rng,
        language,
        ("", "", "Something else: ", "Thanks. ", "ok, next: "),
        ("", "", "Другой вопрос: ", "Спасибо. "),
    )
    prompt = msgspec.structs.replace(last.prompt, prompt=opener + last.prompt.prompt)
    return after(turns, replace(last, prompt=prompt))


def recall(rng: random.Random, language: Language) -> Item:
    """A question about what the user said before."""
    name = rng.choice(PEOPLE_RU if language == "ru" else PEOPLE)
    city = rng.choice(CITIES_RU if language == "ru" else CITIES)
    word, num = rng.choice(WORDS_RU if language == "ru" else WORDS), rng.randrange(100, 9999)
    is_ru = language == "ru"
    facts_said = {
        "name": (
            f"Меня зовут {name}." if is_ru else f"My name is {name}.",
            "Как меня зовут?" if is_ru else "What is my name?",
            [name, name.split()[0]],
        ),
        "city": (
            f"Мой город: {city}." if is_ru else f"I live in {city}.",
            "Какой у меня город?" if is_ru else "Where do I live?",
            [city, *([city[:-1] + "и", city[:-1] + "е", city + "е"] if is_ru else [])],
        ),
        "number": (
            f"Номер моего заказа {num}." if is_ru else f"My order number is {num}.",
            "Какой у меня номер заказа?" if is_ru else "What was my order number again?",
            [str(num)],
        ),
        "word": (
            f"Кодовое слово: {word}." if is_ru else f"The code word is {word}.",
            "Какое кодовое слово?" if is_ru else "Which code word did I give you?",
            [word],
        ),
    }
    kinds = rng.sample(list(facts_said), 2)
    said = " ".join(facts_said[kind][0] for kind in kinds)
    reply = "Понял, запомнил." if is_ru else "Got it, I will remember that."
    turns = [said, reply]
    for _ in range(rng.choice((0, 1, 1))):
        between = rng.choice(_SINGLE)(rng, language)
        turns += [between.prompt.prompt, between.right]
    _, question, answers = facts_said[kinds[0]]
    last = saying(question, f"recall {said}", answers, [reply, "Berlin", "7"], max_tokens=WORD)
    return after(turns, last)
