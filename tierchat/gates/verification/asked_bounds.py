"""How long an answer may be, and how many items it has, by the words of a prompt.

Pure; knows English and Russian, and only bounds that are stated plainly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from tierchat.gates.verification.form import Bound, Unit
from tierchat.gates.verification.lazy_pattern import LazyPattern

_NUMBERS = {
    name: number
    for number, names in {
        1: "one single один одной одном одну одна одно",
        2: "two два двух две двумя",
        3: "three три трёх трех тремя",
        4: "four четыре четырёх четырех",
        5: "five пять пяти",
        6: "six шесть шести",
        7: "seven семь семи",
        8: "eight восемь восьми",
        9: "nine девять девяти",
        10: "ten десять десяти",
        12: "twelve двенадцать двенадцати",
        15: "fifteen пятнадцать пятнадцати",
        20: "twenty двадцать двадцати",
    }.items()
    for name in names.split()
}
_N = r"(?P<n>\d{1,4}|" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + r")"
_UNITS: dict[str, Unit] = {
    "line": "lines",
    "sent": "sentences",
    "word": "words",
    "char": "characters",
    "стро": "lines",
    "пред": "sentences",
    "слов": "words",
    "симв": "characters",
    "знак": "characters",
}
_UNIT = (
    r"(?P<unit>lines?|sentences?|words?|characters?|chars?|"
    r"строк\w*|предложени\w+|слов\w*|символ\w*|знак\w*)\b"
)
_END = (
    r"(?=\s*(?:[.,;:!?)\]\n]|$|[—–-]\s|or (?:less|fewer)|max|at most|please|и )|"
    r"\s+(?:what|why|how|whether))"
)
_SHORT = r"(?:short|brief|plain|simple|concise|clear|complete|короткой|коротким|кратким|простым)"
_TELL = (
    r"\b(?:answer|reply|respond|explain|describe|summari[sz]e|sum up|give|tell|say|state|define|"
    r"write|put|express|what|why|how|who|review|comment|ответь(?:те)?|отвечай(?:те)?|"
    r"объясни(?:те)?|поясни(?:те)?|опиши(?:те)?|скажи(?:те)?|напиши(?:те)?|изложи(?:те)?|"
    r"перескажи(?:те)?|резюмируй(?:те)?|сформулируй(?:те)?|дай(?:те)?|что|почему|зачем|как|кто)\b"
)
_SUBJECT = (
    r"(?:summary|commit message|answer|description|explanation|message|reply|response|title|"
    r"headline|definition|overview|comment|review)"
)
_AT_MOST = (
    r"(?:at most|no more than|not more than|no longer than|not longer than|a maximum of|"
    r"(?:a )?max(?:imum)?\.?(?: of)?|up to|under|fewer than|less than|shorter than|below|within|"
    r"не (?:более|больше|длиннее|свыше)(?: чем)?|максимум|до|менее|меньше)"
)
# What such a bound is about: the answer, not a thing that the answer is about.
_ABOUT_ANSWER = (
    r"(?:^|[,.;:(!?—–]\s*|\b(?:in|it|answer|reply|respond|response|message|summary|explanation|"
    r"description|title|use|using|be|is|to|limited to|write|ответ|ответь(?:те)?|напиши(?:те)?|"
    r"сообщение|описание|уложись|уложитесь|в|объём|объем|длиной)\s+)"
)
_LINE = LazyPattern(
    _TELL + r"[^.!?\n]{0,160}?\b(?:in|on|as|with|using)(?: just| only| exactly)? "
    r"(?P<n>one|a single|1)(?: " + _SHORT + r")? (?P<unit>line|sentence)" + _END + r"|"
    r"\bin (?:just |only |exactly )?(?:one|a single)(?: " + _SHORT + r")? (?P<unit5>line|sentence)"
    r"[,:]|"
    r"(?:^|[,.;:(?!—–-]\s*)(?:in |as |just |only )*(?:one|a single|single)(?: " + _SHORT + r")? "
    r"(?P<unit2>line|sentence)(?: only| max(?:imum)?| please)?(?=\s*(?:[.,;!)\n]|$))|"
    r"\b(?:one|single)[- ](?P<unit3>line|sentence)(?: \w+)? " + _SUBJECT + r"\b|"
    r"\b(?P<unit4>одной строк(?:ой|е)|в одну строку|одним (?:\w+ )?предложением|"
    r"в одном (?:\w+ )?предложении|одно предложение|одна строка)" + _END,
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_LINE = LazyPattern(
    r"\b(?:answer|reply|respond|ответь(?:те)?|отвечай(?:те)?)\b[^.!?\n]{0,30}?"
    r"\b(?:one|a single|одн\w+) (?P<unit>line|sentence|строк\w+|предложени\w+)",
    re.IGNORECASE,
)
_BOUND = LazyPattern(
    _ABOUT_ANSWER + _AT_MOST + r"\s+" + _N + r"\s+(?:\w+\s)??" + _UNIT + r"(?!\s+(?:each|per))"
    r"|\b(?:limit|keep|shorten|cut)\b[^.!?\n]{0,40}? (?:to|under|below|within)\s+(?:at most )?"
    + _N.replace("<n>", "<n2>")
    + r"\s+"
    + _UNIT.replace("<unit>", "<unit2>")
    + r"|\b"
    + _N.replace("<n>", "<n3>")
    + r"\s+"
    + _UNIT.replace("<unit>", "<unit3>")
    + r"\s*(?:or (?:less|fewer)|max(?:imum)?|at most|tops|максимум|не больше|не более)\b",
    re.IGNORECASE | re.MULTILINE,
)
_PLAIN = LazyPattern(
    r"\b(?:in|with|using|в|из)\s+(?P<exact>exactly |ровно )?"
    + _N
    + r"(?: "
    + _SHORT
    + r")?\s+"
    + _UNIT
    + _END,
    re.IGNORECASE,
)
_MAX_PLAIN_WORDS = 12
_SENTENCES = (
    r"(?:one or |одно или )?"
    + _N
    + r"(?: "
    + _SHORT
    + r"| короткое| короткие| кратких| коротких)?\s+(?P<unit>sentences?|предложени(?:е|я|й|ях))\b"
)
# "Two sentences." as a clause of its own, "Write one sentence about".
_ALONE = (
    LazyPattern(
        r"(?:^|[,.;(?!—–-]\s*)(?:in |в |just |only )*"
        + _SENTENCES
        + r"(?=\s*(?:[.,;!?)\n]|$|please))",
        re.IGNORECASE | re.MULTILINE,
    ),
    LazyPattern(
        r"\b(?:write|give|answer|напиши(?:те)?|дай(?:те)?)(?: me| us)?(?: exactly| only| just)* "
        + _SENTENCES,
        re.IGNORECASE,
    ),
)
_EXACT = LazyPattern(
    r"\b(?:of|with) exactly " + _N + r" (?P<unit>words|lines|sentences)" + _END, re.IGNORECASE
)
_ITEM = (
    r"(?:reasons?|examples?|ideas?|ways?|tips?|names?|facts?|items?|points?|options?|titles?|"
    r"questions?|synonyms?|alternatives?|suggestions?|benefits?|advantages?|disadvantages?|pros|"
    r"cons|bullets?|bullet points?|[a-z]+s|причин\w*|пример\w*|иде\w+|способ\w*|совет\w*|факт\w*|"
    r"пункт\w*|вариант\w*|вопрос\w*|синоним\w*|преимуществ\w*|недостатк\w*|[а-яё]{4,})"
)
_ITEMS = LazyPattern(
    r"\b(?:list|name|enumerate|перечисли(?:те)?|назови(?:те)?)(?: me| us)?(?: the| exactly| only| "
    r"just| ровно)* " + _N + r" (?!lines?|sentences?|words?|char|digit|times?|years?|слов|строк|"
    r"предлож|символ|раз\b)(?:[\w-]+ ){0,3}?" + _ITEM + r"\b|"
    r"\b(?:give|suggest|provide|write|tell|propose|recommend|brainstorm|дай(?:те)?|предложи(?:те)?|"
    r"приведи(?:те)?|напиши(?:те)?)(?: me| us| мне)?(?: the| exactly| only| just| ровно)* "
    + _N.replace("<n>", "<n2>")
    + r" (?:[\w-]+ ){0,2}?(?:reasons|examples|ideas|ways|tips|names|facts|items|points|options|"
    r"titles|questions|synonyms|alternatives|suggestions|benefits|advantages|bullets|"
    r"bullet points|причин\w*|пример\w*|иде\w+|способ\w*|совет\w*|факт\w*|вариант\w*|вопрос\w*|"
    r"синоним\w*)\b|\b(?:in|as) (?:exactly )?"
    + _N.replace("<n>", "<n3>")
    + r" (?:short )?bullets?(?: points?)?\b",
    re.IGNORECASE,
)
_MIN_ITEMS, _MAX_ITEMS = 2, 30
# Then the items are of several lists.
_EACH = LazyPattern(
    r"\b(?:each|every|per|for both|кажд\w+|по \d|по одн\w+)\b|"
    r"\b(?:and|plus|и|а также) (?:\d+|" + "|".join(_NUMBERS) + r")\b",
    re.IGNORECASE,
)


def bounds_in(text: str, *, is_code: bool) -> tuple[Bound, ...]:
    """Find the bounds of an answer; `is_code`: the prompt asks for a program, whose lines, words
    and characters they may be about.
    """
    if is_code:
        line = _ANSWER_LINE.search(text)
        return (Bound(_unit(line["unit"]), 1),) if line else ()
    found = {bound.unit: bound for bound in _found(text)}
    return tuple(found.values())


def _found(text: str) -> Iterator[Bound]:
    for match in _PLAIN.finditer(text):
        num, unit = _number(match["n"]), _unit(match["unit"])
        is_exact = bool(match["exact"])
        if is_exact or (unit == "words" and 1 < num <= _MAX_PLAIN_WORDS):
            yield Bound(unit, num, is_exact)
        elif unit in ("lines", "sentences") and num > 1:
            yield Bound(unit, num)
    for match in chain.from_iterable(pattern.finditer(text) for pattern in _ALONE):
        yield Bound(_unit(match["unit"]), _number(match["n"]))
    for match in _EXACT.finditer(text):
        yield Bound(_unit(match["unit"]), _number(match["n"]), is_exact=True)
    for match in _BOUND.finditer(text):
        n = match["n"] or match["n2"] or match["n3"]
        yield Bound(_unit(match["unit"] or match["unit2"] or match["unit3"]), _number(n))
    for match in _LINE.finditer(text):
        names = (match[name] for name in ("unit", "unit2", "unit3", "unit4", "unit5"))
        yield Bound(_unit(next(filter(None, names))), 1)
    items = list(_ITEMS.finditer(text))
    if len(items) == 1 and not _EACH.search(text):
        num = _number(items[0]["n"] or items[0]["n2"] or items[0]["n3"])
        if _MIN_ITEMS <= num <= _MAX_ITEMS:
            yield Bound("items", num, is_exact=True)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else _NUMBERS.get(text.casefold(), 1)


def _unit(text: str) -> Unit:
    folded = text.casefold()
    return next(unit for name, unit in _UNITS.items() if name in folded)
