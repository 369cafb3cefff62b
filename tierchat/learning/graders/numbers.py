"""Is the number that an answer ends with the wanted one?

Does not know prompts. A number may be read in more than one way ("1,234" is 1234 or 1.234); an
answer is right when one reading is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_TEX_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*([^{}]+?)\s*\}\s*\{\s*([^{}]+?)\s*\}")
_TEX_SHORT_FRACTION = re.compile(r"\\[dt]?frac\s*([0-9])\s*([0-9])")
_SIGNED_FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅛": "1/8"}
_TEX_SPACE = re.compile(r"\\[,;! ]|\{,\}")
# A separator of thousands stands before exactly three digits, and is no line feed.
_BLANKS = "  \u00a0\u2009\u202f"
_WHOLE = rf"(?:[0-9]{{1,3}}(?:(?:[{_BLANKS}][0-9]{{3}})+|(?:['’_][0-9]{{3}})+)(?![0-9])|[0-9]+)"
_DIGITS = rf"(?:{_WHOLE}(?:[.,][0-9]+)*|\.[0-9]+)"
_NUMBER = re.compile(
    # No part of a word, of a power, or of the number before it.
    rf"(?P<sign>(?<![\w)\]])[-+−–]|\b(?:minus|минус)\s)?(?P<digits>(?<![^\W\d_])(?<!\^){_DIGITS})"
    r"(?:(?P<over>\s?/\s?)(?P<divisor>[0-9]+)(?![0-9]*/))?"
    r"(?P<power>[eE][-+]?[0-9]+(?![0-9\w])|\s?[×x*·]\s?10\^\{?[-−+]?[0-9]+\}?)?"
    r"(?:\^\{?(?P<exponent>[0-9]{1,2})\}?(?![0-9]))?"
    r"(?P<percent>\s?%)?"
    r"(?:\s(?P<scale>thousand|million|billion|тыс|миллион|млн|миллиард|млрд))?",
    re.IGNORECASE,
)
_SCALES = {
    **dict.fromkeys(("thousand", "тыс"), 10**3),
    **dict.fromkeys(("million", "миллион", "млн"), 10**6),
    **dict.fromkeys(("billion", "миллиард", "млрд"), 10**9),
}
# "The answer is 18", with no sum after it.
_PLAIN = rf"[-+−–]?{_DIGITS}"
_SAID = re.compile(
    rf"\b(?:answer|ответ)\b(?:\s+(?:is|равен)|\s*[:=—])?[\s*$:]*(?P<number>{_PLAIN})"
    r"(?![\w^])(?!\*?\s*[-+*/×x=÷]\s*[0-9(])",
    re.IGNORECASE,
)
_MIXED = re.compile(r"(?<![0-9.,/])([0-9]+) ([0-9]+)/([0-9]+)(?![0-9/])")
_MAX_DIGITS = 300
_MAX_WORDS = 25
_SAYS_ANSWER = re.compile(r"(?i)answer|result|total|\b(?:so|or|или)\b|therefore|ответ|итог|значит")
_NEAR = Fraction(1, 10**6)


def is_number(text: str, wanted: str, asked: str = "") -> bool:
    """Return whether the last number of a text is the wanted one, up to 1e-6.

    Reads thousands separators (never a line feed), a decimal comma, fractions, powers of ten, signs
    of money and percent, Markdown and TeX; a number in `\\boxed{}` is the last one. In one sentence
    the only number that is not among those `asked` about is the answer, too: "There are 5000 m in
    5 km".
    """
    right = readings(wanted)
    if _is_near(readings(text), right):
        return True
    if "\n" in text.strip() or len(text.split()) > _MAX_WORDS or _SAYS_ANSWER.search(text):
        return False
    known = {found[0] for found in _NUMBER.finditer(asked)}
    new = {found[0] for found in _NUMBER.finditer(text)} - known
    return len(new) == 1 and _is_near(readings(new.pop()), right)


def _is_near(some: list[Fraction], others: list[Fraction]) -> bool:
    return any(abs(a - b) <= _NEAR for a in some for b in others)


def readings(text: str) -> list[Fraction]:
    """Return every way to read the last number of a text; none where there is no number."""
    boxed = _BOXED.findall(text)
    plain = _without_signs(boxed[-1] if boxed else text)
    said = list(_SAID.finditer(plain))
    numbers = list(_NUMBER.finditer(plain, said[-1].start("number") if said else 0))
    if not numbers:
        return []
    # Where the answer is announced it is the number after that, whatever is explained below.
    found = numbers[0 if said else -1]
    values = list(_values(found))
    mixed = [m for m in _MIXED.finditer(plain) if m.end() == found.end("divisor")]
    if mixed and int(mixed[-1][3]):
        whole, over, divisor = (int(group) for group in mixed[-1].groups())
        values.append(whole + Fraction(over, divisor))
    if found["percent"]:
        values += [value / 100 for value in values]
    if found["scale"]:
        values += [value * _SCALES[found["scale"].lower()] for value in values]
    if found["exponent"]:
        # 10^3 is 1000; the 2 of "18 m^2" stands after a letter.
        values += [value ** int(found["exponent"]) for value in values]
    return values


def _without_signs(text: str) -> str:
    """Write fractions as 3/4, and leave out what TeX puts between digits."""
    for sign, written in _SIGNED_FRACTIONS.items():
        text = text.replace(sign, f" {written}")
    text = _TEX_SHORT_FRACTION.sub(r"\1/\2", _TEX_FRACTION.sub(r"\1/\2", text))
    return _TEX_SPACE.sub("", text)


def _values(found: re.Match[str]) -> Iterator[Fraction]:
    sign = -1 if found["sign"] and found["sign"] != "+" else 1
    divisor = int(found["divisor"] or 1) if len(found["divisor"] or "") < _MAX_DIGITS else 0
    if divisor == 0:
        return
    power = re.sub(r"^(?:[eE]|.*\^\{?)", "", found["power"] or "0").rstrip("}").replace("−", "-")
    exponent = int(power) if len(power) < 4 else 0
    for digits in _plain_digits(found["digits"]):
        if len(digits) < _MAX_DIGITS:
            yield sign * Fraction(digits) * Fraction(10) ** exponent / divisor


def _plain_digits(written: str) -> Iterator[str]:
    """Yield the ways to read digits with commas, full stops and blanks in them."""
    joined = re.sub(rf"[{_BLANKS}'’_]", "", written)
    if joined != written and re.search(rf"[{_BLANKS}]", written):
        # "100 200" may be a list, too.
        yield from _plain_digits(re.split(rf"[{_BLANKS}]", written)[-1])
    marks = [mark for mark in joined if mark in ".,"]
    if not marks:
        yield joined
        return
    last = max(joined.rfind("."), joined.rfind(","))
    whole, rest = re.sub("[.,]", "", joined[:last]), joined[last + 1 :]
    # In thousands, or as in India, where only the last group has three digits.
    is_grouped = re.fullmatch(r"[1-9][0-9]{0,2}([.,][0-9]{2,3})*[.,][0-9]{3}", joined) is not None
    if len(set(marks)) == 2:
        yield f"{whole}.{rest}"
    elif len(marks) == 1:
        yield f"{whole or 0}.{rest}"
        if is_grouped and marks[0] == ",":
            yield whole + rest
    elif is_grouped:
        yield whole + rest
    else:
        # A list without blanks, a date or a version.
        yield rest
