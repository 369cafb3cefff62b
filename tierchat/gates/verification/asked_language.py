"""Which language a prompt asks its answer to be in, and the script that it is written in.

Pure. Languages that share a script cannot be told apart here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tierchat.gates.verification.form import Script
from tierchat.gates.verification.lazy_pattern import LazyPattern


@dataclass(frozen=True)
class Language:
    """A language by its English name; `stem` begins its Russian adjective."""

    name: str
    stem: str
    script: Script


_LANGUAGES = (
    Language("English", "английск", "LATIN"),
    Language("French", "французск", "LATIN"),
    Language("German", "немецк", "LATIN"),
    Language("Spanish", "испанск", "LATIN"),
    Language("Italian", "итальянск", "LATIN"),
    Language("Portuguese", "португальск", "LATIN"),
    Language("Polish", "польск", "LATIN"),
    Language("Russian", "русск", "CYRILLIC"),
    Language("Ukrainian", "украинск", "CYRILLIC"),
    Language("Bulgarian", "болгарск", "CYRILLIC"),
    Language("Greek", "греческ", "GREEK"),
    Language("Arabic", "арабск", "ARABIC"),
    Language("Hebrew", "иврит", "HEBREW"),
    Language("Chinese", "китайск", "CJK"),
    Language("Japanese", "японск", "HIRAGANA"),
    Language("Korean", "корейск", "HANGUL"),
    Language("Hindi", "хинди", "DEVANAGARI"),
)
_BY_WORD = {word: one for one in _LANGUAGES for word in (one.name.casefold(), one.stem)}
_ENGLISH_NAME = "|".join(one.name for one in _LANGUAGES)
_RUSSIAN_NAME = "|".join(one.stem for one in _LANGUAGES)
_END = r"(?=\s*(?:[.,;:!?)\]\n]|$|[—–-]\s|only|please|and |with|using|in |without|the following))"
_ASKED = LazyPattern(
    r"\b(?:answer|reply|respond|speak|write back)(?: me| to me| us)?(?: only| just| always)?"
    r"(?: \w+)?(?: only)? in (?:plain |simple |fluent )?(?P<a>" + _ENGLISH_NAME + r")\b|"
    r"\b(?:write|explain|describe|summari[sz]e|tell me)(?: it| this| that)? in (?P<h>"
    + _ENGLISH_NAME
    + r")\b|\btranslat\w+\b[^.!?\n]{0,120}?\b(?:to|into|in) (?P<b>"
    + _ENGLISH_NAME
    + r")\b|"
    r"\b(?:write|explain|describe|summari[sz]e|say|tell me|give)\b[^.!?\n]{0,80}?, in (?P<c>"
    + _ENGLISH_NAME
    + r")"
    + _END
    + r"|(?:^|[,.;:!?(]\s*)(?:only )?in (?P<d>"
    + _ENGLISH_NAME
    + r")(?: only| please)?(?=\s*(?:[.,;:!)\n]|$))|"
    r"\b(?:write|explain|describe|summari[sz]e)\b[^.!?,\n]{0,60}? in (?P<e>"
    + _ENGLISH_NAME
    + r")(?=\s*(?:[:!\n]|[.]\s|[.]?$))|"
    r"\b(?:ответь(?:те)?|отвечай(?:те)?|переведи(?:те)?|перевод|напиши(?:те)?|объясни(?:те)?|"
    r"опиши(?:те)?|скажи(?:те)?|пиши(?:те)?)\b[^.!?\n]{0,80}?"
    r"(?:\bна (?P<f>" + _RUSSIAN_NAME + r")(?:ий|ом)\b|\bпо-(?P<g>" + _RUSSIAN_NAME + r")и\b)",
    re.IGNORECASE | re.MULTILINE,
)
# In these a language is what the prompt is about.
_ABOUT = LazyPattern(
    r"\b(?:written|published|spoken|movies?|films?|songs?|books?|words?|phrases?|mean(?:s|ing)?|"
    r"lessons?|called|поётся|слово|значит)\b[^.!?\n]{0,30}\b(?:in|на|по)[ -]",
    re.IGNORECASE,
)


def language_in(text: str) -> Language | None:
    """Return the language that an answer is asked to be in; None for none, or for several."""
    found = [next(filter(None, match.groups())) for match in _ASKED.finditer(text)]
    names = {name.casefold() for name in found}
    if len(names) != 1 or (_ABOUT.search(text) and "ranslat" not in text):
        return None
    return _BY_WORD[names.pop()]
