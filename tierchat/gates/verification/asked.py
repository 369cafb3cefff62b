"""Which form of answer a prompt asks for, judged by its words, in English and Russian.

Pure. Only what is stated plainly counts: taking a prompt to ask for a form that it does not ask for
sends good answers up, while a form that is not recognised is only not checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tierchat.gates.verification.asked_bounds import bounds_in
from tierchat.gates.verification.asked_code import wants_bare_code, wants_code, wants_python
from tierchat.gates.verification.asked_content import choices_in, contents_in, date_in
from tierchat.gates.verification.asked_language import language_in
from tierchat.gates.verification.asked_material import (
    may_quote_rules,
    wants_commit_message,
    wants_own_words,
)
from tierchat.gates.verification.form import Content, Form
from tierchat.gates.verification.instructions import instructions, material
from tierchat.gates.verification.lazy_pattern import LazyPattern
from tierchat.types import Message

_MAX_SYSTEM_CHARS = 2000
_ONLY = LazyPattern(
    r"\b(?:only|just|single|nothing (?:else|more)|no (?:other|explanation|extra|additional)|one|"
    r"без (?:пояснени|объяснени|комментари|лишн)\w+|только|лишь|ничего (?:больше|кроме|лишнего)|"
    r"одним|одной|одну|одно)\b",
    re.IGNORECASE,
)
# Whoever is asked to think on paper, or to give reasons, writes more than the answer.
_WORKED = LazyPattern(
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


def form_of(messages: Sequence[Message]) -> Form:
    """Return the form that the last prompt of a conversation asks for, or its system text does."""
    prompt = next((m.content for m in reversed(messages) if m.role == "user"), "")
    system = "\n".join(m.content for m in messages if m.role == "system")
    asked = instructions(prompt)
    rules = instructions(system) if len(system) <= _MAX_SYSTEM_CHARS else ""
    text = f"{asked}\n{rules}" if rules else asked
    is_worked = bool(_WORKED.search(text))
    is_code = wants_code(asked)
    # In a program, "return only the number" is what the program does.
    contents: list[Content] = [] if is_code else contents_in(text)
    if wants_python(asked, prompt):
        contents = ["python"]
    choices = () if is_code or contents else choices_in(text)
    date = "" if is_code or contents or choices else date_in(text)
    content: Content = "choice" if choices else "date" if date else ""
    if len(contents) == 1:
        content = contents[0]
    is_commit_message = wants_commit_message(asked)
    language = language_in(text)
    return Form(
        content=content,
        is_only=not is_worked and bool(content == "word" or (content and _ONLY.search(text))),
        choices=choices,
        date=date,
        bounds=() if is_worked else bounds_in(text, is_code=is_code and not is_commit_message),
        script=language.script if language else None,
        language=language.name if language else "",
        is_bare_code=not is_worked and wants_bare_code(asked),
        is_commit_message=is_commit_message,
        given=material(prompt) if wants_own_words(asked) else "",
        rules="" if may_quote_rules(asked) else material(system),
    )
