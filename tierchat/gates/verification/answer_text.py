"""A finished answer taken apart: fenced blocks, lines, sentences, words, items.

Pure text; does not know what was asked. Where counting is open to dispute, the fewest are counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from tierchat.gates.verification.form import Unit

_FENCE = re.compile(
    r"^[ \t]*(?P<mark>`{3,}+|~{3,}+)[ \t]*(?P<name>[\w+#.-]*)[^\n]*\n(?P<text>.*?)"
    r"(?:^[ \t]*(?P=mark)[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_MARKS = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?P<word>[^\W\d_]+)[.!?…]+[\"'”»)*_]*\s+(?=[\"'“«(*_]*[A-ZА-ЯЁ])")
# Words with a full stop that ends no sentence.
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st vs etc approx inc ltd co corp no fig eq ca cf al gen sen rep gov jr sr "
    "jan feb mar apr jun jul aug sep sept oct nov dec mt ave blvd dept est min max "
    "г гг ул им др пр рис см стр проф акад руб коп тыс млн млрд напр т е д п".split()
)
_WORD = re.compile(r"\w")
_NUMBERED = re.compile(r"^(?:\*\*|#+ )?(?P<n>\d{1,3})[.)](?:\*\*)?[ \t]+\S", re.MULTILINE)
_BULLET = re.compile(r"^[-*•–][ \t]+\S", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Fenced text and the name behind its fence; `is_closed`: the closing fence is there."""

    name: str
    text: str


def blocks(answer: str) -> list[Block]:
    """Return the fenced blocks of an answer, an unclosed one up to its end."""
    return [Block(m["name"].casefold(), m["text"]) for m in _FENCE.finditer(answer)]


def outside(answer: str) -> str:
    """Return an answer without its fenced blocks."""
    return _FENCE.sub("", answer).strip()


def bare(answer: str) -> str:
    """Return an answer without the marks of fences, quotes and emphasis around it."""
    return _MARKS.sub("", answer).strip().strip("\"'“”«»`*_").strip()


def lines(answer: str) -> list[str]:
    """Return the lines that hold something; the marks of fences and rules do not."""
    return [line for line in _MARKS.sub("", answer).splitlines() if _WORD.search(line)]


def count(unit: Unit, answer: str) -> int | None:
    """Count the lines, sentences, words, characters or listed items of an answer.

    None where there is no list whose items could be counted.
    """
    match unit:
        case "lines":
            return len(lines(answer))
        case "sentences":
            return _num_sentences(answer)
        case "words":
            return sum(bool(_WORD.search(word)) for word in answer.split())
        case "characters":
            return len(bare(answer))
    return _num_items(answer)


def share_of_script(script: str, answer: str) -> float | None:
    """Return the share of letters outside code that a script has; None for too few letters.

    Chinese characters count as Japanese, too.
    """
    text = re.sub(r"`[^`\n]*`|https?://\S+", " ", outside(answer))
    names = [unicodedata.name(letter, "").split(" ", 1)[0] for letter in text if letter.isalpha()]
    if len(names) < _MIN_LETTERS:
        return None
    wanted = {script, "KATAKANA", "CJK"} if script == "HIRAGANA" else {script}
    return sum(name in wanted for name in names) / len(names)


_MIN_LETTERS = 4


def _num_sentences(answer: str) -> int:
    text = bare(answer)
    ends = (m["word"].casefold() for m in _SENTENCE_END.finditer(text))
    return (1 if text else 0) + sum(len(w) > 1 and w not in _ABBREVIATIONS for w in ends)


def _num_items(answer: str) -> int | None:
    numbers = [int(match["n"]) for match in _NUMBERED.finditer(answer)]
    if numbers:
        return len(numbers) if _counts_up(numbers) else None
    # Bullets in several groups, under headings, are no plain list.
    runs = _bullet_runs(answer)
    return runs[0] if len(runs) == 1 else None


def _counts_up(numbers: Sequence[int]) -> bool:
    return list(numbers) == list(range(1, len(numbers) + 1))


def _bullet_runs(answer: str) -> list[int]:
    """Return how many bullets follow each other, for each group of them."""
    runs: list[int] = []
    is_inside = False
    for line in answer.splitlines():
        if _BULLET.match(line):
            runs = [*runs[:-1], runs[-1] + 1] if is_inside else [*runs, 1]
            is_inside = True
        elif line.strip() and not line.startswith((" ", "\t")):
            is_inside = False
    return runs
