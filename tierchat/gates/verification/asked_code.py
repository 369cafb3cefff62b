"""Whether a prompt asks for a program, and for nothing beside it.

Pure; knows English and Russian.
"""

from __future__ import annotations

import re

from tierchat.gates.verification.lazy_pattern import LazyPattern

# What may stand behind the name of a form: the end of a clause.
_END = r"(?=\s*(?:[.,;:!?)\]\n]|$|[—–-]\s|and nothing|please|without|no explan|и ничего|без ))"
_CODE_NOUN = (
    r"(?:functions?|scripts?|programs?|code|class(?:es)?|methods?|loops?|regex(?:es|p)?|"
    r"sql|(?:sql|database) quer(?:y|ies)|snippets?|one-liners?|commands?|"
    r"(?:in|using|на) (?:python|javascript|typescript|java|bash|perl|ruby|golang|rust|c\+\+|sql)|"
    r"функци\w+|скрипт\w*|программ\w+|код\w*|класс\w*|"
    r"sql-запрос\w*|запрос\w* (?:на )?sql|команд\w+|питон\w*|регулярк\w+|регулярн\w+ выражени\w+)"
)
_WANTS_CODE = LazyPattern(
    r"(?:^|[.!?]\s+)(?:an? |the )?(?:regex\w*|bash|sql|python|awk|sed|shell|git) |"
    r"\b(?:write|implement|create|make|generate|give|show|build|code|complete|fix|refactor|define|"
    r"add|provide|need|want|convert|how (?:do|can|to|would|should)|"
    r"напиши(?:те)?|реализуй(?:те)?|создай(?:те)?|сделай(?:те)?|дай(?:те)?|покажи(?:те)?|"
    r"допиши(?:те)?|исправь(?:те)?|как|нужн\w+)\b(?:(?!\b(?:message|summary|description|title|"
    r"explanation|comment|name)\b)[^.!?\n]){0,80}?\b" + _CODE_NOUN + r"(?!\w)",
    re.IGNORECASE | re.MULTILINE,
)
_PYTHON = LazyPattern(
    r"\b(?:write|implement|create|make|generate|give|show|build|complete|finish|fix|refactor|"
    r"define|provide|напиши(?:те)?|реализуй(?:те)?|создай(?:те)?|сделай(?:те)?|допиши(?:те)?|"
    r"исправь(?:те)?|покажи(?:те)?|дай(?:те)?|need|want|нужн\w+)\b[^.!?\n]{0,80}?(?:"
    r"\b(?:python3?|питон\w*)\b[^.!?\n]{0,40}\b(?:functions?|scripts?|programs?|code|class(?:es)?|"
    r"one-liners?|loops?|decorators?|generators?|функци\w+|скрипт\w*|программ\w+|код\w*|класс\w*)|"
    r"\b(?:functions?|scripts?|programs?|code|class(?:es)?|loops?|функци\w+|скрипт\w*|"
    r"программ\w+|код\w*|класс\w*)\b[^.!?\n]{0,60}\b(?:in|using|на) (?:python3?|питон\w*))\b",
    re.IGNORECASE,
)
# A program that is fenced in the prompt is to be changed or completed.
_WORKS_ON = LazyPattern(
    r"\b(?:complete|finish|fix|refactor|implement|rewrite|correct|optimi[sz]e|add|change|"
    r"допиши(?:те)?|исправь(?:те)?|дополни(?:те)?|реализуй(?:те)?|перепиши(?:те)?)\b"
    r"[^.!?\n]{0,60}\b(?:functions?|code|class|script|program|bugs?|functions?|"
    r"функци\w+|код\w*|класс\w*|скрипт\w*|программ\w+|ошибк\w+)\b",
    re.IGNORECASE,
)
_PYTHON_2 = LazyPattern(r"\bpython ?2", re.IGNORECASE)
_COMMAND_ONLY = LazyPattern(
    r"\b(?:only|just)(?: with| give| me| write| print| output| show| return)*(?: the| a| one)?"
    r"(?: single| shell| bash| sql| git| linux| terminal| regular)* "
    r"(?:commands?|code|query|sql|regex|expression)(?:(?= (?:to|that|for)\b)|" + _END + r")|"
    r"\b(?:commands?|code|query|sql) only\b|"
    r"\bтолько (?:сам\w+ )?(?:команд(?:у|ы|ой|а)|код(?:ом)?|запрос(?:ом)?|sql|выражени(?:е|ем))"
    + _END,
    re.IGNORECASE,
)


def wants_code(asked: str) -> bool:
    """Whether instructions ask for a program, query or command."""
    return bool(_WANTS_CODE.search(asked) or _PYTHON.search(asked))


def wants_python(asked: str, prompt: str) -> bool:
    """Whether they ask for Python of today, by name or by the Python that they bring along."""
    if _PYTHON_2.search(asked):
        return False
    is_given = "```python" in prompt and bool(_WORKS_ON.search(asked))
    return is_given or bool(_PYTHON.search(asked))


def wants_bare_code(asked: str) -> bool:
    """Whether they ask for code without words beside it."""
    return bool(_COMMAND_ONLY.search(asked))
