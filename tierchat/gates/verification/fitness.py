"""Why an answer is not of the form that was asked for.

Pure; judges the form, never whether the answer is right. Whatever is open to dispute fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tierchat.gates.verification.answer_text import (
    bare,
    blocks,
    count,
    lines,
    outside,
    share_of_script,
)
from tierchat.gates.verification.copying import begins_as_copy, is_copy
from tierchat.gates.verification.form import Bound, Form
from tierchat.gates.verification.parsing import json_problem, python_problem

EMPTY = "gives an empty answer"
_MAX_WORDS_OF_A_WORD = 2
# A short answer may come in a sentence: "The answer is 18."
_MAX_WORDS_OF_A_SENTENCE = 12
_MAX_WORDS_OUTSIDE = 8
_NUM_EDGE_WORDS = 6
_MIN_SHARE = 0.2
_MAX_SHOWN_LINES = 5
_LEAD = re.compile(
    r"^(?:(?:final |short |the )?(?:answer|word|ответ|слово)(?: is)?\s*[:=—–-]\s*)", re.IGNORECASE
)
_NUMBER = re.compile(
    r"\d|∞|[½⅓¼¾⅔π]|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|"
    r"none|no|infinit\w+|pi|ноль|нуль|один|одна|одно|два|две|три|четыре|пять|шесть|семь|восемь|"
    r"девять|десять|\w+надцать|двадцать|тридцать|сорок|\w+десят|девяносто|сто|двести|триста|"
    r"тысяч\w*|миллион\w*|бесконечн\w+)\b|^[IVXLCDM]+\W*$",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<![^\W_])(?:[A-ZА-Я](?![^\W_])|[a-zа-я](?=[).\]]|\W*$))")
_YES_NO = frozenset(
    "yes no yeah yep nope true false да нет верно неверно correct incorrect not cannot".split()
)
_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_DIFF_LINE = re.compile(
    r"^(?:diff --git |@@ -\d|index [0-9a-f]{7,}|--- a/|\+\+\+ b/)", re.MULTILINE
)


def why_unfit(form: Form, answer: str, *, is_whole: bool = True) -> str:
    """Say why an answer is not of the form that was asked for; empty if it fits.

    Of an answer that is not whole only what no further text can mend is told.
    """
    return next(_problems(form, answer, is_whole), "")


def is_empty(answer: str) -> bool:
    """Whether an answer consists of blanks and the marks of fences, quotes and emphasis."""
    return not bare(answer)


def _problems(form: Form, answer: str, is_whole: bool) -> Iterator[str]:
    if form.is_commit_message and _DIFF_LINE.search(answer):
        yield "a diff where a commit message was asked"
    if form.given and begins_as_copy(answer, form.given):
        yield "repeats what it was given"
    if form.rules and begins_as_copy(answer, form.rules):
        yield "recites its instructions"
    for bound in form.bounds:
        yield from _out_of_bound(bound, answer, is_whole)
    if form.is_only and form.content not in ("", "json", "python"):
        yield from _too_long(form, answer)
    if not is_whole:
        return
    yield from _without_content(form, answer)
    if form.is_bare_code:
        yield from _beside_code(answer)
    if form.script:
        share = share_of_script(form.script, answer)
        if share is not None and share < _MIN_SHARE:
            yield f"not in {form.language}"
    if form.given and is_copy(answer, form.given):
        yield "repeats what it was given"


def _out_of_bound(bound: Bound, answer: str, is_whole: bool) -> Iterator[str]:
    num = count(bound.unit, answer)
    if num is None:
        return
    if bound.unit == "lines" and bound.num == 1 and num > 1:
        yield "several lines where one was asked"
    elif bound.unit == "sentences" and bound.num == 1 and num > 1:
        yield "several sentences where one was asked"
    elif bound.unit == "sentences" and bound.num == 1 and len(lines(answer)) > _MAX_SHOWN_LINES:
        yield "many lines where a sentence was asked"
    elif num > bound.num:
        asked = f"{bound.num}" if bound.is_exact else f"at most {bound.num}"
        yield f"more {bound.unit} than asked: {num}, not {asked}"
    elif bound.is_exact and is_whole and num < bound.num:
        yield f"fewer {bound.unit} than asked: {num}, not {bound.num}"


def _too_long(form: Form, answer: str) -> Iterator[str]:
    text = _LEAD.sub("", bare(answer))
    num = count("words", text) or 0
    if form.content == "word":
        if num > _MAX_WORDS_OF_A_WORD:
            yield "several words where one was asked"
    elif num > _MAX_WORDS_OF_A_SENTENCE:
        what = {"yes_no": "yes or no", "choice": "one of the choices"}.get(
            form.content, f"a {form.content}"
        )
        yield f"prose where only {what} was asked"


def _without_content(form: Form, answer: str) -> Iterator[str]:
    match form.content:
        case "number" if not _NUMBER.search(answer):
            yield "no number where one was asked"
        case "letter" if not _LETTER.search(answer):
            yield "no letter where one was asked"
        case "yes_no" if not _says_yes_or_no(form, answer):
            yield "neither yes nor no where one was asked"
        case "choice" if not _chooses(form, answer):
            yield f"none of what was to choose from: {', '.join(form.choices)}"
        case "date" if not re.search(re.sub(r"[YMDHS]", r"\\d", form.date), answer):
            yield f"nothing of the form {form.date}"
        case "json":
            yield from _json_problems(form, answer)
    yield from _python_problems(form, answer)


def _says_yes_or_no(form: Form, answer: str) -> bool:
    words = [word.casefold() for word in _WORDS.findall(answer)]
    edges = [*words[:_NUM_EDGE_WORDS], *words[-_NUM_EDGE_WORDS:]] if form.is_only else words
    return any(word in _YES_NO for word in edges)


def _chooses(form: Form, answer: str) -> bool:
    folded = answer.casefold()
    return any(re.search(rf"(?<!\w){re.escape(name.casefold())}", folded) for name in form.choices)


def _json_problems(form: Form, answer: str) -> Iterator[str]:
    text = answer.strip()
    if not json_problem(text):
        return
    fenced = [block.text.strip() for block in blocks(answer)]
    tried = [part for part in fenced if part] or _bracketed(text)
    if not tried:
        yield "no JSON where JSON was asked"
        return
    problems = [json_problem(part) for part in tried]
    if all(problems):
        yield f"its JSON does not parse: {problems[0]}"


def _bracketed(text: str) -> list[str]:
    """Return the text from the first bracket to the last one of its kind."""
    found = [
        text[text.index(first) : text.rindex(last) + 1]
        for first, last in ("{}", "[]")
        if first in text and text.rfind(last) > text.index(first)
    ]
    return found or ([text[at:]] if (at := text.find("{")) >= 0 else [])


def _python_problems(form: Form, answer: str) -> Iterator[str]:
    """Compile what is fenced as Python, and what is not named where Python was asked for."""
    named = [block.text for block in blocks(answer) if block.name in ("python", "py", "python3")]
    if form.content == "python" and not named:
        unnamed = [block.text for block in blocks(answer) if not block.name]
        named = [code for code in unnamed if _looks_like_python(code)]
        if not blocks(answer) and re.match(
            r"(?:def|class|import|from|async def) \w", answer.strip()
        ):
            named = [answer.strip()]
    # Of several blocks the longest is the answer; the others show how it is used.
    longest = max(named, key=len, default="")
    if longest and (problem := python_problem(longest)):
        yield f"its Python does not compile: {problem}"


def _looks_like_python(code: str) -> bool:
    return bool(
        re.search(r"^[ \t]*(?:def \w+\(|class \w+|import \w|from \w+ import )", code, re.MULTILINE)
    )


def _beside_code(answer: str) -> Iterator[str]:
    has_code = bool(blocks(answer))
    num_words = count("words", outside(answer)) or 0
    if has_code and num_words > _MAX_WORDS_OUTSIDE:
        yield "explains where only the code was asked"
