"""Whether an answer has a reason to repeat the text that its prompt brings along.

Pure; knows English and Russian.
"""

from __future__ import annotations

import re

from tierchat.gates.verification.lazy_pattern import LazyPattern

_COMMIT_MESSAGE = LazyPattern(
    r"\bcommit (?:message|msg|title|subject)|"
    r"\b(?:сообщени|текст|описани|комментари)\w* (?:к |для |)коммит\w*",
    re.IGNORECASE,
)
# Tasks whose answer is told in other words than the text that they are about.
_TELLS = LazyPattern(
    r"\b(?:summar\w+|tl;?dr|commit (?:message|msg)|explain\w*|describ\w+|descriptions?|what|why|"
    r"how|title|headline|review|changelog|release notes?|classif\w+|opinion|diagnos\w+|causes?|"
    r"кратк\w+|резюм\w+|суть|объясни\w*|поясни\w*|опиши\w*|описани\w+|почему|зачем|что|как|"
    r"заголов\w+|коммит\w*|причин\w+|перескаж\w+)\b",
    re.IGNORECASE,
)
# Tasks whose answer may well consist of the text that was given.
_EDITS = LazyPattern(
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
# Whoever asks a question, or for a text again, may want a passage of the system text.
_LOOKS_UP = LazyPattern(
    r"\?|\b(?:what|which|who|whose|where|when|why|how|whether|tell|give|list|show|print|"
    r"output|repeat|recite|quote|copy|cite|find|look|search|verbatim|word for word|"
    r"your (?:rules|instructions|prompt)|"
    r"что|какой|какая|какие|какое|кто|где|когда|почему|как|сколько|скажи|дай|перечисл\w+|покажи|"
    r"выведи|повтор\w+|процитир\w+|скопир\w+|найди|дословно)\b",
    re.IGNORECASE,
)


def wants_commit_message(asked: str) -> bool:
    """Whether instructions ask for the message of a commit."""
    return bool(_COMMIT_MESSAGE.search(asked))


def may_quote_rules(asked: str) -> bool:
    """Whether the answer may be a passage of the system text, such as a document to look up."""
    return bool(_LOOKS_UP.search(asked))


def wants_own_words(asked: str) -> bool:
    """Whether they ask to tell about a text, and not to change it or to pick parts of it."""
    # "Show", "change" and the like in "the commit message for this change" ask for no edit.
    return wants_commit_message(asked) or bool(_TELLS.search(asked) and not _EDITS.search(asked))
