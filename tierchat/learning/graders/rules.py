"""Does an answer keep to rules that a program can check?

Does not know prompts. In the spirit of IFEval (arXiv 2311.07911).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from tierchat.learning.graders.patterns import finds
from tierchat.learning.graders.refusals import is_refusal
from tierchat.learning.graders.texts import without_fence
from tierchat.types import Frozen

Count = Annotated[int, msgspec.Meta(ge=0)]
Script = Literal["latin", "cyrillic", "greek", "han", "kana", "hangul", "arabic", "hebrew"]

_SCRIPTS = {
    "latin": r"[A-Za-z\u00c0-\u024f]",
    "cyrillic": r"[\u0400-\u04ff]",
    "greek": r"[\u0370-\u03ff]",
    "han": r"[\u4e00-\u9fff\u3040-\u30ff]",
    "kana": r"[\u3040-\u30ff]",
    "hangul": r"[\uac00-\ud7af]",
    "arabic": r"[\u0600-\u06ff]",
    "hebrew": r"[\u0590-\u05ff]",
}
# Names and code in Latin letters are usual in every language.
_SCRIPT_SHARE = 0.6
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_SENTENCE = re.compile(r"[^.!?…]*[^\W_][^.!?…]*(?:[.!?…]+|$)")
_BULLET = re.compile(r"^\s*(?:[-*•+–]|\d+[.)])\s+\S", re.M)


class Rules(Frozen, frozen=True, omit_defaults=True):
    """What an answer must be like; an empty answer keeps no rule.

    Counts are of words, lines that are not blank, sentences, bullets (or numbered points) and
    characters, each at least (`min_`) and at most (`max_`). `has` are texts that must occur, `any`
    texts of which one must, `lacks` texts that must not; letters may be of either case. `begins`,
    `ends` and `lacks_pattern` read the answer without blanks around it. `json` wants JSON and
    nothing else, a code fence excepted. `script` is that of most letters. `helps` forbids an answer
    that only declines.
    """

    min_words: Count | None = None
    max_words: Count | None = None
    min_lines: Count | None = None
    max_lines: Count | None = None
    min_sentences: Count | None = None
    max_sentences: Count | None = None
    min_bullets: Count | None = None
    max_bullets: Count | None = None
    min_chars: Count | None = None
    max_chars: Count | None = None
    case: Literal["lower", "upper"] | None = None
    has: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    pattern: str = ""
    lacks_pattern: str = ""
    begins: str = ""
    ends: str = ""
    json: bool = False
    script: Script | None = None
    helps: bool = False


def keeps(text: str, rules: Rules) -> bool:
    """Return whether an answer keeps every rule."""
    return not list(broken(text, rules))


def broken(text: str, rules: Rules) -> Iterator[str]:
    """Yield the names of the rules that an answer breaks."""
    text = text.strip()
    if not text:
        yield "empty"
        return
    if not rules.json and text.startswith("```") and text.endswith("```"):
        # A fence around the whole answer is no line of it.
        text = without_fence(text)
    for name, number in _counts(text).items():
        least, most = getattr(rules, f"min_{name}"), getattr(rules, f"max_{name}")
        if least is not None and number < least:
            yield f"min_{name}"
        if most is not None and number > most:
            yield f"max_{name}"
    folded = text.casefold()
    said = {
        "case": rules.case and text != getattr(text, rules.case)(),
        "has": any(one.casefold() not in folded for one in rules.has),
        "any": rules.any and not any(one.casefold() in folded for one in rules.any),
        "lacks": any(one.casefold() in folded for one in rules.lacks),
        "pattern": rules.pattern and not finds(rules.pattern, text),
        "lacks_pattern": rules.lacks_pattern and finds(rules.lacks_pattern, text) is not False,
        "begins": not folded.startswith(rules.begins.casefold()),
        "ends": not folded.endswith(rules.ends.casefold()),
        "json": rules.json and not _is_json(text),
        "script": rules.script and not _is_in(text, rules.script),
        "helps": rules.helps and is_refusal(text),
    }
    yield from (name for name, is_broken in said.items() if is_broken)


def _counts(text: str) -> dict[str, int]:
    sentences = [found for found in _SENTENCE.findall(_without_inner_stops(text)) if found.strip()]
    return {
        "words": len(_WORD.findall(text)),
        "lines": sum(bool(line.strip()) for line in text.splitlines()),
        "sentences": len(sentences),
        "bullets": len(_BULLET.findall(text)),
        "chars": len(text),
    }


def _without_inner_stops(text: str) -> str:
    # Full stops of numbers, files and abbreviations end no sentence.
    text = re.sub(r"\b(?:e\.g|i\.e|Mr|Mrs|Dr|St|vs|etc|т\.е|т\.д|т\.п)\.", "", text)
    return re.sub(r"\.(?=\S)", "", text)


def _is_json(text: str) -> bool:
    inner = without_fence(text)
    if inner != text and not (text.startswith("```") and text.endswith("```")):
        return False
    try:
        json.loads(inner)
    except (ValueError, RecursionError):
        return False
    return True


def _is_in(text: str, script: Script) -> bool:
    letters = _LETTER.findall(re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL))
    num = sum(re.match(_SCRIPTS[script], letter) is not None for letter in letters)
    return bool(letters) and num >= _SCRIPT_SHARE * len(letters)
