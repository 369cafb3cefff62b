"""Short phrases to translate between English, Russian, German, French and Spanish.

Knows the accepted translations; the grader ignores case, quotes and a closing mark.
"""

from __future__ import annotations

import random
import re

from tierchat.learning.mix.item import SENTENCE, Item, Language, item, pick
from tierchat.learning.mix.tables import table

_LANGUAGES = ("English", "Russian", "German", "French", "Spanish")
_LANGUAGES_RU = ("английский", "русский", "немецкий", "французский", "испанский")


def translate(rng: random.Random, language: Language) -> Item:
    """One word or phrase, from or into English or Russian."""
    phrases = table(rng.choice(("phrases/phrases", "phrases/phrases", "phrases/nouns")))
    row = rng.choice(phrases)
    source, target = rng.choice(((0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (2, 0), (3, 0), (4, 0)))
    if language == "ru":
        source, target = rng.choice(((1, 0), (0, 1), (1, 2), (2, 1)))
    given = row[source].split("/")[0]
    accept = [plain for one in row[target].split("/") for plain in _spellings(one)]
    names = _LANGUAGES_RU if language == "ru" else _LANGUAGES
    text = pick(
        rng,
        language,
        (
            'Translate to {1}: "{0}"',
            "Translate into {1}, and answer with the translation only: {0}",
            'How do you say "{0}" in {1}? Only the {1} words.',
        ),
        ("Переведи на {1}: «{0}»", "Переведи на {1}, ответь только переводом: {0}"),
    ).format(given, names[target])
    others = [other[target].split("/")[0] for other in phrases if other is not row]
    wrong = [given, rng.choice(others)]
    return item(
        text, f"translate {row[0]}", accept[0], wrong, grader="text", answer=accept[0],
        accept=tuple(accept[1:]), max_tokens=SENTENCE,
    )  # fmt: skip


def _spellings(phrase: str) -> list[str]:
    """Return a phrase with the closing marks and the contractions that people choose between."""
    bare = phrase.strip("?!¿")
    found = [bare, f"{bare}?", f"{bare} ?", f"¿{bare}?", f"{bare}!", f"¡{bare}!", phrase]
    if "don't" in bare:
        found.append(bare.replace("don't", "do not"))
    if re.match("I am ", bare):
        found.append(bare.replace("I am ", "I'm "))
    if " is " in bare:
        found.append(bare.replace(" is ", "'s ", 1))
    if bare.startswith(("The ", "the ")):
        found.append(bare[4:])
    for english, others in table("phrases/same"):
        if bare == english:
            found += others.split(" / ")
    return list(dict.fromkeys(found))
