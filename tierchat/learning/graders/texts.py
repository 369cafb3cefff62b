"""Does the text of an answer say what was wanted, whatever it is wrapped in?

Does not know prompts. Quotes, code fences, Markdown marks and a closing full stop are no part of an
answer, nor is a lead-in like "The result is:".
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

_BLOCK = re.compile(r"^[ \t]*(```+|~~~+)[^\n`]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.M)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_ARE = re.compile(r"^[^,\n]{1,80}\b(?:is|are|это)\b:?\s+(?=\S)")
_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”|«([^»\n]+)»')
_QUOTES = tuple(zip("\"'`“«‘„", "\"'`”»’“", strict=True))
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_BULLET = re.compile(r"^\s*(?:[-*•+–]|\d+[.)])\s+")
_LEAD_IN = re.compile(r"^[^\n:]{1,80}:\s+(?=\S)|^[^\n:]{1,80}:\s*\n+")
_CHOICE = re.compile(r"\b([A-Z])\b")
_CHOSEN = re.compile(
    r"(?i:answer|option|choice|ответ|вариант)\W{0,4}(?:is|:|—|-)?\W{0,4}([A-Z])\b(?!\s+[a-z']|')"
)
_FIRST = re.compile(r"\W{0,3}([A-Z])(?:[).:,*]|\s*$)")
# The words "I" and "A", which are no choice.
_WORD = re.compile(r"\bI\s+[a-z']|\bI'|\bA\s+[a-z]")


def blocks(text: str) -> list[str]:
    """Return the code blocks of a text; the last one may lack its closing fence."""
    return [found[2].strip("\n") for found in _BLOCK.finditer(text)]


def without_fence(text: str) -> str:
    """Return the only code block of a text, or the text itself."""
    found = blocks(text)
    return found[0] if len(found) == 1 else text.strip()


def plain(text: str, *, is_cased: bool = False) -> str:
    """Return a text without what surrounds it: blanks, emphasis, quotes, a closing full stop."""
    text = unicodedata.normalize("NFC", text).strip()
    while True:
        before = text
        text = text.strip().removesuffix(".").strip()
        for mark in ("**", "__", "*", "_"):
            if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
                text = text[len(mark) : -len(mark)]
        for opening, closing in _QUOTES:
            if len(text) > 1 and text.startswith(opening) and text.endswith(closing):
                inner = text[1:-1]
                text = inner if opening not in inner and closing not in inner else text
        if text == before:
            break
    text = re.sub(r"\s+", " ", text).replace("’", "'").replace("ё", "е").replace("Ё", "Е")
    return text if is_cased else text.casefold()


def is_text(text: str, wanted: Sequence[str], *, is_cased: bool = False) -> bool:
    """Return whether an answer is one of the wanted texts."""
    right = {plain(one, is_cased=is_cased) for one in wanted}
    return any(plain(reading, is_cased=is_cased) in right for reading in _readings(text))


def _readings(text: str) -> Iterator[str]:
    """Yield the answer as it is, and what it may have been wrapped in."""
    yield text
    unfenced = without_fence(text)
    yield unfenced
    if led := _LEAD_IN.match(unfenced):
        yield unfenced[led.end() :]
    # What follows the first line is an explanation.
    first_line = text.strip().partition("\n")[0]
    yield first_line
    for pattern in (_QUOTED, _INLINE, _BOLD):
        spans = [next(filter(None, found.groups())) for found in pattern.finditer(first_line)]
        if spans:
            yield spans[-1]


def items(text: str) -> list[str]:
    """Split a list: one item a line, bullets or not, or separated by commas or blanks."""
    if not re.search(r"\w", text):
        return []
    lines = [_BULLET.sub("", line) for line in text.strip().splitlines() if line.strip()]
    if len(lines) > 1 and not any("," in line.rstrip(" ,;") for line in lines):
        found = lines
    else:
        body = plain(" ".join(lines), is_cased=True)
        for opening, closing in _BRACKETS:
            if body.startswith(opening) and body.endswith(closing):
                body = body[1:-1]
        found = re.split(r"\s*[,;]\s*", body)
        if len(found) == 1:
            found = body.split()
        found[-1] = re.sub(r"^(?:and|и)\s+", "", found[-1])
    return [plain(item.rstrip(" ,;")) for item in found if item.strip(" ,;")]


def is_list(text: str, wanted: str, *, is_ordered: bool) -> bool:
    """Return whether an answer lists the wanted items, in their order or in any."""
    right = items(wanted)
    # "The even numbers are 2, 4 and 8."
    for reading in (*_readings(text), _ARE.sub("", text.strip())):
        given = items(reading)
        if given == right or (not is_ordered and Counter(given) == Counter(right)):
            return True
    return False


def is_label(text: str, wanted: str, options: Sequence[str]) -> bool:
    """Return whether an answer names the wanted one of some options, first or alone.

    "A or B" names none of them.
    """
    said = plain(text)
    names = sorted({plain(option) for option in (*options, wanted)}, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)")
    said = said.lstrip("\"'*` ")
    if first := pattern.match(said):
        is_sure = not re.match(rf"\W*(?:or|или|/|\|)\W*(?:{pattern.pattern})", said[first.end() :])
        return first[1] == plain(wanted) and is_sure
    return set(pattern.findall(said)) == {plain(wanted)}


def is_choice(text: str, wanted: str) -> bool:
    """Return whether an answer chooses the wanted letter.

    The letter after "answer", else the one that the text begins with, else its last capital letter
    that is a word by itself.
    """
    text = re.sub(r"\\boxed\s*\{\s*(?:\\text\s*\{)?\(?([A-Z])\)?\}*", r"answer \1", text)
    chosen = _CHOSEN.findall(text)
    first = _FIRST.match(text)
    if chosen:
        letter = chosen[-1]
    elif first:
        letter = first[1]
    else:
        letters = _CHOICE.findall(_WORD.sub("", text))
        letter = letters[-1] if letters else ""
    return bool(letter) and letter == wanted.strip().upper()
