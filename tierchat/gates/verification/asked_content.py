"""What an answer must hold: a number, a word, one of some choices, JSON, a date.

Pure; knows English and Russian.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tierchat.gates.verification.form import Content
from tierchat.gates.verification.lazy_pattern import LazyPattern

# What may stand behind the name of a form: the end of a clause.
_END = r"(?=\s*(?:[.,;:!?)\]\n]|$|[—–-]\s|and nothing|please|without|no explan|и ничего|без ))"
_ANSWER = (
    r"\b(?:answer|reply|respond|ответь(?:те)?|отвечай(?:те)?|ответ(?:ить|)|ответ дай(?:те)?)\b"
)
_NUMBER = LazyPattern(
    _ANSWER + r"(?: me)?(?: only| just| лишь| только)?(?: with| in| as| using| в виде)?"
    r"(?: only| just)?(?: an?| the| one| одн\w+| тольк\w+)?(?: single| final| resulting| целым)? ?"
    r"(?:number|integer|digits?|numeral|figure|числом|числа|цифр(?:ой|ами))" + _END + r"|"
    r"\b(?:only|just)(?: with| as| in| give| write| say| return| output| print| state| me)*"
    r"(?: an?| the| one)?(?: single| final| resulting| numeric(?:al)?)? "
    r"(?:number|integer|digits?|numeral|numeric(?:al)? (?:answer|value|result))" + _END + r"|"
    r"\b(?:number|integer|numeral|digits?)s? only" + _END + r"|"
    r"\b(?:только|лишь|одним|одно|просто) (?:окончательн\w+ )?(?:целым |цел\w+ )?числ(?:ом|о)"
    + _END
    + r"|\bодной цифрой\b|\bтолько цифр(?:у|ами|ой|ы)"
    + _END,
    re.IGNORECASE,
)
_WORD = LazyPattern(
    r"\bin (?:just |only |exactly )?(?:one|a single|1) word" + _END + r"|"
    r"(?:" + _ANSWER + r"|\bsay|\bdescribe|\bsumm?ari[sz]e)[^.!?:\n]{0,60}?\b(?:with|in|using|as)"
    r"(?: only| just| exactly)? (?:one|a single|1) word\b|"
    r"(?:^|[,;(.?!—–-]\s*)(?:only |just )?(?:one|a single|1) word(?: only| answer| please)*"
    + _END
    + r"|"
    r"\b(?:one|single)[- ]word (?:answer|reply|response)\b|"
    r"\b(?:ответь(?:те)?|отвечай(?:те)?|опиши(?:те)?|скажи(?:те)?|назови(?:те)?|ответ)\b"
    r"[^.!?\n]{0,60}?\bодним словом\b|(?:[?(]\s*|(?<=[^.!?\n\s])[,\s]\s*)одним словом" + _END + r"|"
    r"\bтолько одно слово\b|(?:^|[,;(.?!—–-]\s*)(?:только |лишь )?одно слово" + _END + r"|"
    r"\b(?:only|just) (?:that|the|this|one|a single) word" + _END + r"|"
    r"\bтолько (?:это |одно |само )?слово" + _END,
    re.IGNORECASE | re.MULTILINE,
)
_YES_NO = LazyPattern(
    r"(?:" + _ANSWER + r"|\bsay|\boutput|\bwrite|\breturn)(?: me)?(?: only| just| strictly)?"
    r"(?: with| in| by)?(?: only| just| either| a(?: simple)?)? [\"'“]?yes[\"'”]?,?"
    r"(?: or |/| / )(?:a )?[\"'“]?no\b|"
    r"(?:^|[,;:(.?!—–-]\s*)(?:just |only )?yes(?: or |/)no(?: only)?" + _END + r"|"
    r"\b(?:ответь(?:те)?|отвечай(?:те)?|скажи(?:те)?|напиши(?:те)?)(?: только| просто| одним словом"
    r"| лишь| строго)*[,:]? [\"«“]?да[\"»”]?,?(?: или |/| / )[\"«“]?нет\b|"
    r"(?:^|[,;:(.?!—–-]\s*)(?:только )?да(?: или |/)нет" + _END,
    re.IGNORECASE | re.MULTILINE,
)
_LETTER = LazyPattern(
    _ANSWER + r"(?: only| just| только| лишь)?(?: with| by| using| в виде)?(?: only| just)?"
    r"(?: an?| the| one| одн\w+)?(?: single| capital| correct| right| corresponding| заглавной| "
    r"одной)* ?(?:option |answer )?(?:letter|буквой|буквы)\b|"
    r"\b(?:only|just)(?: with| give| write| say| return| output| print)*(?: the| a| one)?"
    r"(?: single| correct| right| corresponding)* letter" + _END + r"|\bletter only\b|"
    r"\bтолько букв(?:у|ой|а)\b",
    re.IGNORECASE,
)
_CHOICE = LazyPattern(
    r"(?:" + _ANSWER + r"(?: only| just| только)?(?: with| as| словом)?"
    r"(?: only| just| either| one of)?:?|"
    r"\b(?:classif\w+|label|categori[sz]e|rate)\b[^.!?:\n]{0,60}? as(?: either| one of)?:?|"
    r"\b(?:классифицируй(?:те)?|отнеси(?:те)?|определи(?:те)?)\b[^.!?:\n]{0,60}?(?: как|:)) "
    r"(?P<list>[\"'“«]?[\w+#-]+[\"'”»]?(?:,? (?:or|или) |, |/)"
    r"(?:[\"'“«]?[\w+#-]+[\"'”»]?(?:,? (?:or|или) |, |/))*[\"'“«]?[\w+#-]+[\"'”»]?)" + _END,
    re.IGNORECASE,
)
# Words that name a kind of answer, not one.
_NO_CHOICES = frozenset(
    "a an the one number word letter name sentence line yes no да нет briefly shortly it not if "
    "with in by me please as honestly truthfully whether correctly carefully clearly directly "
    "english russian json text list table both all none nothing something anything questions "
    "число слово буква кратко коротко честно подробно правильно".split()
)
_MIN_CHOICES, _MAX_CHOICES = 2, 12
_DATE = LazyPattern(
    r"\b(?:as|in|in (?:the )?format|using|format|в виде|в формате)\s*:?\s*[\"'(`]?"
    r"(?P<format>(?:YYYY|DD|MM|ГГГГ|ДД|ММ)(?P<sign>[-./])(?:DD|MM|ДД|ММ)(?P=sign)"
    r"(?:YYYY|DD|MM|YY|ГГГГ|ДД|ММ|ГГ)|(?:HH|ЧЧ):(?:MM|ММ)(?::SS|:СС)?)",
)
# The Russian letters of such formats.
_LATIN = str.maketrans("ГДМЧС", "YDMHS")
_FORMAT_VERB = (
    r"\b(?:answer|reply|respond|return|output|give|print|write|extract|convert|format|present|"
    r"list|provide|produce|emit|put|turn|parse|show|summari[sz]e|generate|name|tell|describe|"
    r"ответь(?:те)?|отвечай(?:те)?|верни(?:те)?|выведи(?:те)?|дай(?:те)?|напиши(?:те)?|"
    r"извлеки(?:те)?|преобразуй(?:те)?|представь(?:те)?|запиши(?:те)?|оформи(?:те)?|выдай(?:те)?|"
    r"перечисли(?:те)?|назови(?:те)?|опиши(?:те)?)\b"
)
_JSON = LazyPattern(
    _FORMAT_VERB + r"[^.!?\n]{0,100}?\b(?:as|in|into|to|with|using|в|как|в виде|в формате)"
    r"(?: only| just| strictly| strict| valid| pure| raw| plain| compact| a| an| the| single| one"
    r"| только| валидн\w+| один| одного| объекта?| массива?)* json\b"
    r"(?! (?:files?|parsers?|schema|lib\w*|data (?:to|into)|to |into |"
    r"path|web|string in)|[-_]?l(?:ines)?\b)|"
    r"\b(?:only|just|valid) (?:with )?(?:a |an |the )?(?:valid |raw |pure )?json(?: object| array)?"
    + _END
    + r"|\bjson only\b|"
    r"(?:"
    + _ANSWER
    + r"|\breturn|\boutput|\bверни(?:те)?|\bвыведи(?:те)?) (?:only |just |только )?"
    r"(?:with )?(?:a |an |the )?(?:single |valid |валидн\w+ )?json\b(?! files?)|\bтолько json\b|"
    r"(?:^|[,;(—–-]\s*)(?:as|in|в|в формате) json" + _END,
    re.IGNORECASE | re.MULTILINE,
)


def contents_in(text: str) -> list[Content]:
    """Return the kinds of content that a text asks for; more than one contradict each other."""
    return list(_contents(text))


def choices_in(text: str) -> tuple[str, ...]:
    """Return what an answer is to be chosen from; empty if nothing is listed for that."""
    match = _CHOICE.search(text)
    if not match:
        return ()
    listed = re.split(r",? (?:or|или) |, |/", match["list"])
    names = tuple(name.strip("\"'“”«»") for name in listed)
    is_list = _MIN_CHOICES <= len(names) <= _MAX_CHOICES
    return names if is_list and not {n.casefold() for n in names} & _NO_CHOICES else ()


def date_in(text: str) -> str:
    """Return how a date or time is to be written, such as "YYYY-MM-DD"; empty for no such wish."""
    match = _DATE.search(text)
    return match["format"].translate(_LATIN) if match else ""


def _contents(text: str) -> Iterator[Content]:
    kinds: tuple[tuple[Content, LazyPattern], ...] = (
        *(("number", _NUMBER), ("letter", _LETTER), ("yes_no", _YES_NO)),
        *(("word", _WORD), ("json", _JSON)),
    )
    found = [kind for kind, pattern in kinds if pattern.search(text)]
    # "Answer yes or no, in one word" asks for one of them.
    yield from (kind for kind in found if kind != "word" or len(found) == 1)
