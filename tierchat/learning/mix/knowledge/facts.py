"""Questions about the world, science, history and computing, from written tables.

Does not know how answers are graded beyond the words that they must name.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tierchat.learning.mix.item import SENTENCE, WORD, Item, Language, pick, saying
from tierchat.learning.mix.tables import table

_BRIEFLY = {
    "en": ("", "", " Answer in one word.", " Answer briefly.", " Just the answer, please."),
    "ru": ("", "", " Ответь одним словом.", " Ответь коротко.", " Только ответ."),
}


def _ask(
    rng: random.Random,
    language: Language,
    facts: Sequence[Sequence[str]],
    topic: str,
    en: Sequence[str],
    ru: Sequence[str],
    *,
    is_cased: bool = False,
    brief: bool = True,
) -> Item:
    """Draw a row of a table and a wording with `{}` for the row's name.

    A row is an English name, a Russian one, English answers and Russian ones, with slashes.
    """
    row = rng.choice(facts)
    name, given = (row[1], row[3]) if language == "ru" else (row[0], row[2])
    text = pick(rng, language, en, ru).format(name)
    if brief:
        text += rng.choice(_BRIEFLY[language])
    # An answer in the other language names the same thing.
    answers = [*given.split("/"), *(row[2] if language == "ru" else row[3]).split("/")]
    others = [other[3 if language == "ru" else 2].split("/")[0] for other in facts]
    wrong = [one for one in rng.sample(others, min(4, len(others))) if one not in answers]
    return saying(
        text,
        f"{topic}/{row[0]}",
        list(dict.fromkeys(answers)),
        wrong,
        is_cased=is_cased,
        max_tokens=WORD if "one word" in text or "одним" in text else SENTENCE,
    )


def world(rng: random.Random, language: Language) -> Item:
    """Capitals and currencies."""
    if rng.random() < 0.7:
        return _ask(
            rng,
            language,
            table("facts/capitals"),
            "capital",
            ("What is the capital of {}?", "capital of {}", "Name the capital city of {}."),
            ("Столица страны {}?", "Какой город — столица страны {}?", "{}: какая столица?"),
        )
    return _ask(
        rng,
        language,
        table("facts/currencies"),
        "currency",
        ("What is the currency of {}?", "Which money do people pay with in {}?"),
        ("Какая валюта в стране {}?", "{}: чем там платят, какая валюта?"),
    )


def science(rng: random.Random, language: Language) -> Item:
    """Chemical elements, and questions of all sciences."""
    draw = rng.random()
    if draw < 0.3:
        return _ask(
            rng,
            language,
            table("facts/elements"),
            "symbol",
            ("What is the chemical symbol of {}?", "Chemical symbol for {}?"),
            ("Какой химический символ у элемента {}?", "Символ элемента {}?"),
            is_cased=True,
        )
    if draw < 0.55:
        numbered = [[row[0], row[1], row[4], row[4]] for row in table("facts/elements")]
        return _ask(
            rng,
            language,
            numbered,
            "symbol",
            ("What is the atomic number of {}?", "atomic number of {}"),
            ("Какой атомный номер у элемента {}?", "Атомный номер элемента {}?"),
        )
    return _ask(rng, language, table("facts/science"), "science", ("{}",), ("{}",))


def history(rng: random.Random, language: Language) -> Item:
    """Years of events, and who wrote or made what."""
    if rng.random() < 0.5:
        return _ask(
            rng,
            language,
            table("facts/events"),
            "year",
            ("In which year {}?", "What year {}?"),
            ("В каком году {}?", "Назови год: когда {}?"),
        )
    return _ask(
        rng,
        language,
        table("facts/authors"),
        "author",
        ("Who wrote {}?", "Who is the author of {}?", "{} was written by whom?"),
        ("«{}»: кто это написал?", "Кто автор произведения «{}»?"),
        brief=False,
    )


def computing(rng: random.Random, language: Language) -> Item:
    """Ports, status codes, acronyms, and which tool does what."""
    draw = rng.random()
    if draw < 0.2:
        return _ask(
            rng,
            language,
            table("facts/ports"),
            "port",
            ("What is the default port of {}?", "Which TCP or UDP port does {} use by default?"),
            ("Какой порт по умолчанию у {}?", "На каком порту обычно работает {}?"),
        )
    if draw < 0.4:
        return _ask(
            rng,
            language,
            table("facts/codes"),
            "status",
            ("Which HTTP status code means {}?", "HTTP status code for {}?"),
            ("Какой код состояния HTTP означает {}?", "Код ответа HTTP для {}?"),
        )
    if draw < 0.65:
        return _ask(
            rng,
            language,
            table("facts/acronyms"),
            "acronym",
            ("What does {} stand for?", "Expand the acronym {}."),
            ("Как расшифровывается {}? Ответь по-английски.", "{}: расшифруй по-английски."),
            brief=False,
        )
    return _ask(
        rng,
        language,
        table("facts/tools"),
        "tool",
        ("Which Unix command {}?", "What command line tool {}?"),
        ("Какая команда Unix {}?", "Какая программа в терминале {}?"),
    )
