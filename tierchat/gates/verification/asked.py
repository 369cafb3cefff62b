"""Which form of answer a prompt asks for, judged by its words, in English and Russian.

Pure. Only what is stated plainly counts: taking a prompt to ask for a form that it does not ask for
sends good answers up, while a form that is not recognised is only not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tierchat.gates.verification.asked_bounds import bounds_in
from tierchat.gates.verification.asked_language import language_in
from tierchat.gates.verification.form import Content, Form
from tierchat.gates.verification.instructions import instructions, material
from tierchat.types import Message

_MAX_SYSTEM_CHARS = 2000
# What may stand behind the name of a form: the end of a clause.
_END = r"(?=\s*(?:[.,;:!?)\]\n]|$|[—–-]\s|and nothing|please|without|no explan|и ничего|без ))"
_ANSWER = (
    r"\b(?:answer|reply|respond|ответь(?:те)?|отвечай(?:те)?|ответ(?:ить|)|ответ дай(?:те)?)\b"
)
_ONLY = re.compile(
    r"\b(?:only|just|single|nothing (?:else|more)|no (?:other|explanation|extra|additional)|one|"
    r"без (?:пояснени|объяснени|комментари|лишн)\w+|только|лишь|ничего (?:больше|кроме|лишнего)|"
    r"одним|одной|одну|одно)\b",
    re.IGNORECASE,
)
# Whoever is asked to think on paper, or to give reasons, writes more than the answer.
_WORKED = re.compile(
    r"\b(?:step[- ]by[- ]step|show (?:your|the|all|me your) (?:\w+ )?(?:work|steps|reasoning)|"
    r"(?:think|reason) (?:first|aloud|out loud|through|carefully|it)|let'?s think|"
    r"explain (?:your|why|how you|the reason)|with (?:an? )?(?:\w+ )?(?:explanation|reason)s?|"
    r"(?:and|then|but|also) (?:then )?(?:briefly )?(?:explain|justify|why|say why|tell me why|"
    r"give (?:a|your|the) reason)|"
    r"(?:end|finish) with|по шагам|пошагов\w+|рассужда\w+|"
    r"(?:покажи|напиши|приведи) (?:ход|решение|вычислени)\w*|с (?:объяснени|пояснени)ем|"
    r"(?:и|затем|потом) (?:кратко )?(?:объясни|поясни|обоснуй|почему)\w*|закончи)\b",
    re.IGNORECASE,
)
_CODE_NOUN = (
    r"(?:functions?|scripts?|programs?|code|class(?:es)?|methods?|loops?|regex(?:es|p)?|"
    r"quer(?:y|ies)|snippets?|one-liners?|commands?|"
    r"(?:in|using|на) (?:python|javascript|typescript|java|bash|perl|ruby|golang|rust|c\+\+|sql)|"
    r"функци\w+|скрипт\w*|программ\w+|код\w*|класс\w*|"
    r"запрос\w*|команд\w+|питон\w*|регулярк\w+|регулярн\w+ выражени\w+)"
)
_WANTS_CODE = re.compile(
    r"\b(?:write|implement|create|make|generate|give|show|build|code|complete|fix|refactor|define|"
    r"add|provide|need|want|convert|how (?:do|can|to|would|should)|"
    r"напиши(?:те)?|реализуй(?:те)?|создай(?:те)?|сделай(?:те)?|дай(?:те)?|покажи(?:те)?|"
    r"допиши(?:те)?|исправь(?:те)?|как|нужн\w+)\b(?:(?!\b(?:message|summary|description|title|"
    r"explanation|comment|name)\b)[^.!?\n]){0,80}?\b" + _CODE_NOUN + r"(?!\w)",
    re.IGNORECASE,
)
_PYTHON = re.compile(
    r"\b(?:write|implement|create|make|generate|give|show|build|complete|finish|fix|refactor|"
    r"define|provide|напиши(?:те)?|реализуй(?:те)?|создай(?:те)?|сделай(?:те)?|допиши(?:те)?|"
    r"исправь(?:те)?|покажи(?:те)?|дай(?:те)?)\b[^.!?\n]{0,80}?(?:"
    r"\b(?:python3?|питон\w*)\b[^.!?\n]{0,40}\b(?:functions?|scripts?|programs?|code|class(?:es)?|"
    r"one-liners?|loops?|decorators?|generators?|функци\w+|скрипт\w*|программ\w+|код\w*|класс\w*)|"
    r"\b(?:functions?|scripts?|programs?|code|class(?:es)?|loops?|функци\w+|скрипт\w*|"
    r"программ\w+|код\w*|класс\w*)\b[^.!?\n]{0,60}\b(?:in|using|на) (?:python3?|питон\w*))\b",
    re.IGNORECASE,
)
_PYTHON_2 = re.compile(r"\bpython ?2", re.IGNORECASE)
_NUMBER = re.compile(
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
_WORD = re.compile(
    r"\bin (?:just |only |exactly )?(?:one|a single|1) word" + _END + r"|"
    r"(?:" + _ANSWER + r"|\bsay|\bdescribe|\bsumm?ari[sz]e)[^.!?:\n]{0,60}?\b(?:with|in|using|as)"
    r"(?: only| just| exactly)? (?:one|a single|1) word\b|"
    r"(?:^|[,;(.?!—–-]\s*)(?:only |just )?(?:one|a single|1) word(?: only| answer| please)*"
    + _END
    + r"|"
    r"\b(?:one|single)[- ]word (?:answer|reply|response)\b|"
    r"\b(?:ответь(?:те)?|отвечай(?:те)?|опиши(?:те)?|скажи(?:те)?|назови(?:те)?|ответ)\b"
    r"[^.!?\n]{0,60}?\bодним словом\b|(?<=[^.!?\n\s])[,\s]\s*одним словом" + _END + r"|"
    r"\bтолько одно слово\b",
    re.IGNORECASE | re.MULTILINE,
)
_YES_NO = re.compile(
    r"(?:" + _ANSWER + r"|\bsay|\boutput|\bwrite|\breturn)(?: me)?(?: only| just| strictly)?"
    r"(?: with| in| by)?(?: only| just| either| a(?: simple)?)? [\"'“]?yes[\"'”]?,?"
    r"(?: or |/| / )(?:a )?[\"'“]?no\b|"
    r"(?:^|[,;:(.?!—–-]\s*)(?:just |only )?yes(?: or |/)no(?: only)?" + _END + r"|"
    r"\b(?:ответь(?:те)?|отвечай(?:те)?|скажи(?:те)?|напиши(?:те)?)(?: только| просто| одним словом"
    r"| лишь| строго)*[,:]? [\"«“]?да[\"»”]?,?(?: или |/| / )[\"«“]?нет\b|"
    r"(?:^|[,;:(.?!—–-]\s*)(?:только )?да(?: или |/)нет" + _END,
    re.IGNORECASE | re.MULTILINE,
)
_LETTER = re.compile(
    _ANSWER + r"(?: only| just| только| лишь)?(?: with| by| using| в виде)?(?: only| just)?"
    r"(?: an?| the| one| одн\w+)?(?: single| capital| correct| right| corresponding| заглавной| "
    r"одной)* ?(?:option |answer )?(?:letter|буквой|буквы)\b|"
    r"\b(?:only|just)(?: with| give| write| say| return| output| print)*(?: the| a| one)?"
    r"(?: single| correct| right| corresponding)* letter" + _END + r"|\bletter only\b|"
    r"\bтолько букв(?:у|ой|а)\b",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    _ANSWER + r"(?: only| just| только)?(?: with| as| словом)?(?: only| just| either| one of)?:? "
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
_FORMAT_VERB = (
    r"\b(?:answer|reply|respond|return|output|give|print|write|extract|convert|format|present|"
    r"list|provide|produce|emit|put|turn|parse|show|summari[sz]e|generate|name|tell|describe|"
    r"ответь(?:те)?|отвечай(?:те)?|верни(?:те)?|выведи(?:те)?|дай(?:те)?|напиши(?:те)?|"
    r"извлеки(?:те)?|преобразуй(?:те)?|представь(?:те)?|запиши(?:те)?|оформи(?:те)?|выдай(?:те)?|"
    r"перечисли(?:те)?|назови(?:те)?|опиши(?:те)?)\b"
)
_JSON = re.compile(
    _FORMAT_VERB + r"[^.!?\n]{0,100}?\b(?:as|in|into|to|with|using|в|как|в виде|в формате)"
    r"(?: only| just| strictly| strict| valid| pure| raw| plain| compact| a| an| the| single| one"
    r"| только| валидн\w+)* json\b(?! (?:files?|parsers?|schema|lib\w*|data (?:to|into)|to |into |"
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
_COMMAND_ONLY = re.compile(
    r"\b(?:only|just)(?: with| give| me| write| print| output| show| return)*(?: the| a| one)?"
    r"(?: single| shell| bash| sql| git| linux| terminal)* (?:commands?|code|query)" + _END + r"|"
    r"\b(?:commands?|code|query) only\b|"
    r"\bтолько (?:сам\w+ )?(?:команд(?:у|ы|ой)|код|запрос)" + _END,
    re.IGNORECASE,
)
_COMMIT_MESSAGE = re.compile(
    r"\bcommit (?:message|msg|title|subject)|"
    r"\b(?:сообщени|текст|описани|комментари)\w* (?:к |для |)коммит\w*",
    re.IGNORECASE,
)
# Tasks whose answer is told in other words than the text that they are about.
_TELLS = re.compile(
    r"\b(?:summar\w+|tl;?dr|commit (?:message|msg)|explain\w*|describ\w+|descriptions?|what|why|"
    r"how|title|headline|review|changelog|release notes?|classif\w+|opinion|diagnos\w+|causes?|"
    r"кратк\w+|резюм\w+|суть|объясни\w*|поясни\w*|опиши\w*|описани\w+|почему|зачем|что|как|"
    r"заголов\w+|коммит\w*|причин\w+|перескаж\w+)\b",
    re.IGNORECASE,
)
# Tasks whose answer may well consist of the text that was given.
_EDITS = re.compile(
    r"(?:^|[.!?:;,\n(]\s*|\b(?:please|and|then|to|you|me|or|пожалуйста|и|затем|потом|или)\s+)"
    r"(?:translat|correct|rewrit|rephras|paraphras|proofread|edit|fix|format|reformat|repeat|"
    r"extract|sort|filter|find|list|show|print|output|return|convert|turn|clean|add|remov|delet|"
    r"replac|renam|refactor|improv|complet|continu|finish|annotat|comment|copy|select|pick|"
    r"deduplicat|indent|merge|reorder|insert|chang|updat|apply|split|simplif|shorten|highlight|"
    r"mark|put|make|give me (?:the )?(?:full|whole|new|fixed)|"
    r"перевед|исправ|перепиш|перефраз|отредактир|отформатир|повтор|процитир|извлек|отсортир|найди|"
    r"выпиши|выведи|покажи|преобраз|добав|удали|убер|замен|переимен|улучш|дополн|продолж|допиш|"
    r"закончи|скопир|выбер|вставь|измени|обнови|упрост|сократ)\w*|"
    r"\b(?:which|where|quot\w+|verbatim|word for word|lines?|steps?|table|markdown|"
    r"котор\w+|где|цитат\w+|дословн\w+|строк\w+|шаг\w*)\b",
    re.IGNORECASE | re.MULTILINE,
)


def form_of(messages: Sequence[Message]) -> Form:
    """Return the form that the last prompt of a conversation asks for, or its system text does."""
    prompt = next((m.content for m in reversed(messages) if m.role == "user"), "")
    system = "\n".join(m.content for m in messages if m.role == "system")
    asked = instructions(prompt)
    rules = instructions(system) if len(system) <= _MAX_SYSTEM_CHARS else ""
    text = f"{asked}\n{rules}" if rules else asked
    is_worked = bool(_WORKED.search(text))
    is_code = bool(_WANTS_CODE.search(asked))
    content, choices = _content(text, asked, is_code)
    is_commit_message = bool(_COMMIT_MESSAGE.search(asked))
    language = language_in(text)
    return Form(
        content=content,
        is_only=not is_worked and content != "" and _is_only(content, text),
        choices=choices,
        bounds=() if is_worked else bounds_in(text, is_code=is_code and not is_commit_message),
        script=language.script if language else None,
        language=language.name if language else "",
        is_bare_code=not is_worked and bool(_COMMAND_ONLY.search(asked)),
        is_commit_message=is_commit_message,
        given=material(prompt) if _TELLS.search(asked) and not _is_edit(asked) else "",
    )


def _is_edit(asked: str) -> bool:
    # "Show", "change" and the like in "the commit message for this change" ask for no edit.
    return not _COMMIT_MESSAGE.search(asked) and bool(_EDITS.search(asked))


def _is_only(content: Content, text: str) -> bool:
    return content == "word" or bool(_ONLY.search(text))


def _content(text: str, asked: str, is_code: bool) -> tuple[Content, tuple[str, ...]]:
    """Find what the answer must hold; a prompt that asks for two kinds asks for none of them."""
    if is_code or _PYTHON.search(asked):
        # In a program, "return only the number" is what the program does.
        python = _PYTHON.search(asked) and not _PYTHON_2.search(asked)
        return ("python" if python else ""), ()
    found = list(_contents(text))
    choices = () if found else _choices(text)
    if choices:
        return "choice", choices
    return (found[0], ()) if len(found) == 1 else ("", ())


def _contents(text: str) -> Iterator[Content]:
    kinds: tuple[tuple[Content, re.Pattern[str]], ...] = (
        *(("number", _NUMBER), ("letter", _LETTER), ("yes_no", _YES_NO)),
        *(("word", _WORD), ("json", _JSON)),
    )
    found = [kind for kind, pattern in kinds if pattern.search(text)]
    # "Answer yes or no, in one word" asks for one of them.
    yield from (kind for kind in found if kind != "word" or len(found) == 1)


def _choices(text: str) -> tuple[str, ...]:
    match = _CHOICE.search(text)
    if not match:
        return ()
    listed = re.split(r",? (?:or|или) |, |/", match["list"])
    names = tuple(name.strip("\"'“”«»") for name in listed)
    is_list = _MIN_CHOICES <= len(names) <= _MAX_CHOICES
    return names if is_list and not {n.casefold() for n in names} & _NO_CHOICES else ()
