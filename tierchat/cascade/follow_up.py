"""Whether a prompt leans on what was said before it, judged by its words, in English and Russian.

Pure; does not know tiers or models. In doubt a prompt leans: a follow-up that is taken for a new
topic may get a worse answer, a new topic that is taken for a follow-up only costs compute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tierchat.types import Message

# A long paste says at its beginning what is wanted.
_MAX_CHARS, _MAX_EARLIER_CHARS = 4_000, 40_000
# Of a prompt's own words; with a larger share in what was said before, it is about the same thing.
_MAX_SHARED = 0.24
_NUM_OWN, _NUM_OWN_WITH_NAME, _NUM_LONG = 3, 2, 6
# A pronoun behind so many words of content stands for something in the prompt itself.
_NUM_BEFORE_PRONOUN = 3
_NUM_NUMBERS = 2
_STEM = 5

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,]\d+)*")
_SUM = re.compile(r"[(\d][\d\s.,()]*(?:[-+*/^%×÷−][\d\s.,()]+)+[=?\s]*")
_DATA = re.compile(r"[:\n]\s*\S|[\"“«`][^\"”»`]{2,200}[\"”»`]|(?<!\w)'[^']{2,200}'(?!\w)")
_NAME = re.compile(r"(?<=[^.!?\s])\s+[^\W\d_]*[A-ZА-ЯЁ]\w*|\d")
_POLITE = re.compile(
    r"(?:(?:ok|okay|thanks|thank you|great|cool|perfect|got it|hi|hello|"
    r"спасибо|хорошо|ясно|понятно|отлично|ладно|привет)\b(?: a lot| so much| большое)?[\s,.!]*)+",
    re.IGNORECASE,
)
_NEW_TOPIC = re.compile(
    r"\b(?:(?:new|different|another|unrelated|separate) (?:topic|question|subject|task)|"
    r"chang(?:e|ing) (?:of |the )?(?:topic|subject)|something (?:completely |else )?different|"
    r"(?:нов|друг)\w+ (?:тем|вопрос|задач)\w*|смен\w+ тему|не по теме)\b",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\b(?:instead|again|previous\w*|above|you (?:said|wrote|gave|just|mentioned)|your (?:last )?"
    r"(?:answer|code|function|reply|list|text|version)|are you sure|"
    r"вместо|снова|опять|ещ[её] раз|предыдущ\w+|выше|"
    r"(?:ты|вы) (?:сказал|написал|уверен|дал|ошиб)\w*|(?:твой|ваш|твоя|ваша) \w+)\b",
    re.IGNORECASE,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# As the first word, these continue something. `in which` and the like do not.
_OPENERS = _words(
    "and but or so then now no nope yes yeah also plus what's wait hmm well as with without for "
    "from because than only just shorter longer simpler more less too still else any same both "
    "а и но или тогда теперь нет да ага также тоже ещё еще только просто короче длиннее проще "
    "подробнее больше меньше с без для как-то стоп погоди подожди хм ну значит зато"
)
_PREPOSITIONS = _words("in on at to by of into about в во на по к о об за из от до")
_ASKS = _words("which what whom whose каком какой какую каких какое чём чем какого какому")
_ABOUT = (("what", "about"), ("how", "about"), ("what", "if"), ("why", "not"), ("а", "если"))
_PRONOUNS = _words(
    "it its it's they them their theirs he him his she her hers this these those that that's "
    "there one ones "
    "это этот эта эту эти этого этом этой этих этим этому он она оно они его её ее их им ему ей "
    "ней нём нем них ними тот та те того тому том там туда такой такая такое такие так"
)
# These point at what follows them when the prompt brings its own text.
_POINTS_AHEAD = _words("this these following это этот эту эти этих этого")
# Changing something: what is changed was said before, unless the prompt brings it.
_EDITS = _words(
    "add remove drop delete make change fix rename shorten rewrite rephrase continue use replace "
    "try simplify summarise summarize expand improve translate convert sort round explain format "
    "turn put keep skip undo correct check handle include elaborate repeat redo sum reverse "
    "divide multiply subtract double halve sign mention "
    "добавь убери удали сделай измени исправь переименуй сократи перепиши продолжай продолжи "
    "используй замени попробуй упрости обобщи переведи объясни поясни отсортируй округли "
    "преврати оставь поправь проверь повтори добавьте уберите сделайте измените исправьте "
    "перепишите замените переведите объясните"
)
# These change something even where a text to be put in follows them.
_ADDS = _words(
    "add drop remove delete rename keep include mention sign undo raise return let "
    "добавь добавьте убери уберите удали оставь переименуй пусть верни"
)
# A statement that begins so tells more about the matter at hand.
_TELLERS = _words("the my i we our я мы у мой моя мое моё мои наш наша")
# Words that ask, and words for the form of an answer: neither says what a prompt is about.
_FORM = _words(
    "write tell give show list describe name define say answer please can could would will should "
    "need want help let know find get do does did is are was were be been being am has have had "
    "example examples step steps detail details sentence sentences word words version line lines "
    "bullet bullets point points table format short brief briefly long reason reasons way ways "
    "different better simple simply result results mean means meaning sure right wrong correct "
    "true thing things many much few some good best "
    "напиши напишите скажи назови назовите дай дайте покажи перечисли опиши ответь ответ можешь "
    "пожалуйста нужно надо хочу пример примера примеры примеров шаг шагам подробно слово слова "
    "слов словами предложение предложении предложения предложений строка строки строк кратко "
    "коротко пункт пункта пункты вариант варианта варианты причина причины причин способ способа "
    "результат значит означает верно правильно точно вещь вещи есть был была было были будет "
    "сколько много мало лучше лучший"
)
_LITTLE = _words(
    "a an the i me my mine we us our you your who whom what when where which whose why how if of "
    "in on at to for from with by as than into about over under between after before and or but "
    "not no nor so all each every any there here just very also only up out off then now more "
    "most less least two three four five "
    "я мне меня мой моя моё мое мои мы нам нас наш ты тебе вы вам вас кто что чего чему когда где "
    "куда какой какая какое какие каком какую каких почему зачем как если ли же бы в во на по к "
    "ко о об за из от до у с со для при над под между после перед без и или но а не ни все всё "
    "весь каждый здесь только очень уже"
)


def leans(messages: Sequence[Message]) -> bool:
    """Return whether the last prompt of a conversation needs what was said before it.

    System text says nothing about that. A beginning of the answer, which is to be continued,
    always does.
    """
    if messages[-1].role == "assistant":
        return True
    said = [m.content for m in messages[:-1] if m.role != "system"]
    prompt = next((m.content for m in reversed(messages) if m.role == "user"), "")
    return bool(said) and _leans(prompt[:_MAX_CHARS], "\n".join(said)[-_MAX_EARLIER_CHARS:])


def _leans(prompt: str, earlier: str) -> bool:
    if _NEW_TOPIC.search(prompt):
        return False
    text = prompt.strip()
    text = text[found.end() :] if (found := _POLITE.match(text)) else text
    words = [word.casefold() for word in _WORD.findall(text)]
    if _SUM.fullmatch(text):
        return bool(set(_numbers(words)) & set(_numbers(_WORD.findall(earlier))))
    has_data = bool(_DATA.search(text)) or len(_numbers(words)) >= _NUM_NUMBERS
    if _BACK.search(text) or _continues(words) or _points_back(words, has_data):
        return True
    own = _content(words)
    if words[0] in _ADDS and len(_numbers(words)) < _NUM_NUMBERS and len(own) < _NUM_LONG:
        return True
    is_change = words[0] in _EDITS or (words[0] in _TELLERS and "?" not in text)
    if not has_data and is_change and len(own) < _NUM_LONG:
        return True
    named = _NUM_OWN_WITH_NAME if _NAME.search(text) or has_data else _NUM_OWN
    if len(own) < named:
        return True
    known = _content(word.casefold() for word in _WORD.findall(earlier))
    return len(own & known) > _MAX_SHARED * len(own)


def _continues(words: Sequence[str]) -> bool:
    """Whether the first words go on with something: "and", "what about", "in Go"."""
    if not words or words[0] in _OPENERS or tuple(words[:2]) in _ABOUT:
        return True
    asks = len(words) > 1 and words[1] in _ASKS
    return words[0] in _PREPOSITIONS and not asks and len(_content(words)) < _NUM_LONG


def _points_back(words: Sequence[str], has_data: bool) -> bool:
    """Whether a pronoun comes before the prompt itself has named anything."""
    for index, word in enumerate(words):
        if word not in _PRONOUNS or (has_data and word in _POINTS_AHEAD):
            continue
        before = words[index - 1] if index else ""
        is_relative = word == "that" and index + 1 < len(words) and bool(_content([before]))
        if not is_relative and not (word == "there" and before in ("is", "are", "was", "were")):
            return len(_content(words[:index])) < _NUM_BEFORE_PRONOUN
    return False


def _content(words: Iterable[str]) -> set[str]:
    """Return the stems of the words that say what a text is about."""
    empty = _FORM | _LITTLE | _PRONOUNS | _EDITS | _ADDS
    return {word[:_STEM] for word in words if word not in empty}


def _numbers(words: Iterable[str]) -> list[str]:
    return [word for word in words if word[0].isdigit()]
