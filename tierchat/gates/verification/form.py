"""The form of an answer that a prompt asks for.

A value; does not know how it is found or checked.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

Content = Literal["", "number", "word", "letter", "yes_no", "choice", "date", "json", "python"]
Unit = Literal["lines", "sentences", "words", "characters", "items"]
# The first word of the Unicode names of a script's letters.
Script = Literal[
    "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "HANGUL", "DEVANAGARI"
]
# So much of a short form is kept back where the answer is shown as it grows.
MAX_HELD_TOKENS = 48
_MAX_SHORT_WORDS = 15
_SHORT_CONTENTS = ("number", "word", "letter", "yes_no", "choice")


@dataclass(frozen=True)
class Bound:
    """How many units an answer may have: at most `num`, or just so many."""

    unit: Unit
    num: int
    is_exact: bool = False


@dataclass(frozen=True)
class Form:
    """What a prompt plainly asks for; empty values ask nothing.

    `content` is what the answer must hold, one of the `choices` for a choice, something written
    like `date` for a date; with `is_only` it holds nothing else. `is_commit_message`: it describes
    a diff and is none. `language` is the name of the language that needs `script`. `given` is a
    long text that the prompt brings along and that the answer has no reason to repeat; `rules` is a
    system text of that kind.
    """

    content: Content = ""
    is_only: bool = False
    choices: tuple[str, ...] = ()
    date: str = ""
    bounds: tuple[Bound, ...] = ()
    script: Script | None = None
    language: str = ""
    is_bare_code: bool = False
    is_commit_message: bool = False
    given: str = ""
    rules: str = ""

    def __bool__(self) -> bool:
        """Whether anything was asked that can be checked."""
        return any(getattr(self, f.name) != f.default for f in fields(self))

    @property
    def is_short(self) -> bool:
        """Whether a fitting answer is so short that nobody waits for it to be shown as it grows."""
        if self.content in _SHORT_CONTENTS and self.is_only:
            return True
        return any(
            (bound.unit in ("lines", "sentences") and bound.num == 1)
            or (bound.unit == "words" and bound.num <= _MAX_SHORT_WORDS)
            for bound in self.bounds
        )
