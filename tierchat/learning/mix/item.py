"""One prompt of the mix with an answer that is right and some that are wrong, and how to make one.

Does not know families or how many prompts are wanted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tierchat.learning.outcomes.prompts import GradedPrompt

Language = Literal["en", "ru"]

# Bounds of answers, in tokens: a word, a sentence, a few lines, worked-out steps, code.
WORD, SENTENCE, LINES, STEPS, CODE, LONG_CODE = 32, 48, 96, 224, 256, 352


@dataclass(frozen=True)
class Item:
    """A prompt; its grader takes `right` and none of `wrong`, which the tests try."""

    prompt: GradedPrompt
    right: str
    wrong: tuple[str, ...]


Draw = Callable[[random.Random, Language], Item]


def item(
    text: str,
    group: str,
    right: str,
    wrong: Sequence[str] = (),
    *,
    grader: str,
    max_tokens: int = WORD,
    **fields: Any,
) -> Item:
    """Make an item; `fields` are those of `GradedPrompt`. Empty answers are always wrong."""
    prompt = GradedPrompt(prompt=text, grader=grader, group=group, max_tokens=max_tokens, **fields)
    return Item(prompt, right, (*dict.fromkeys(one for one in wrong if one != right), ""))


def saying(
    text: str,
    group: str,
    names: Sequence[str],
    wrong: Sequence[str] = (),
    *,
    is_cased: bool = False,
    max_tokens: int = WORD,
) -> Item:
    """Make an item that is right when its answer names one of `names` as a word of its own."""
    flags = "" if is_cased else "(?i)"
    # Emphasis may touch a word, other letters and digits may not, nor the rest of a number.
    one_of = "|".join(map(re.escape, names))
    answer = rf"{flags}(?<![^\W_])(?<![0-9][.,])(?:{one_of})(?![^\W_]|[.,][0-9]|['’]t\b)"
    kept = [one for one in wrong if not re.search(answer, one)]
    return item(text, group, names[0], kept, grader="regex", answer=answer, max_tokens=max_tokens)


def number(
    text: str,
    group: str,
    value: int | float | str,
    *,
    max_tokens: int = WORD,
    wrong: Sequence[str] = (),
) -> Item:
    """Make an item whose answer ends with a number."""
    written = str(value)
    off = str(int(value) + 1) if isinstance(value, int) else "12345.5"
    return item(
        text,
        group,
        written,
        (*wrong, off, f"{written} or {off}", "none"),
        grader="number",
        answer=written,
        max_tokens=max_tokens,
    )


def pick(rng: random.Random, language: Language, en: Sequence[str], ru: Sequence[str]) -> str:
    """Choose one wording of the language."""
    return rng.choice(ru if language == "ru" else en)
