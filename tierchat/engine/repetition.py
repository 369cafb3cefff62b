"""Notices that an answer runs away: it repeats itself, counts without end, or stays blank.

Does not know models or prompts; token ids and words are symbols to compare. The thresholds come
from `bench/repetition.py`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass

MAX_PERIOD = 256
# As many repetitions as these are no answer, however short the period.
_MIN_SPAN = 64
# Rules, bars and frames are drawn with signs and no letters.
_MIN_DRAWN_SPAN = 192
_MIN_LINES, _MIN_LINES_SPAN, _MIN_PARAGRAPHS = 8, 256, 3
# A prompt that names a count asks for so many words; if it says "times", for so many lines, too.
_MAX_ASKED_PERIOD, _MAX_TIMES_PERIOD, _MAX_ASKED_SPAN = 8, 64, 4096
# How often a text may come again with other numbers in it, by its number of plain words: (at
# least so many words, at most so many times). Rows of data have few words, and there may be many;
# a year has twelve months, and many a plan twelve weeks.
_MAX_COUNTED = ((40, 4), (8, 16), (4, 32), (2, 64), (1, 160))
_GRAM = 3
_ASKED_CHARS, _MAX_ASKED = 500, 1000
_TIMES = r"\s*[x×]\s*\d|\s*(?:times|раз|mal|fois|veces|vezes|volte|razy|次|遍|回|번|बार|مر)"
# Counts in words that stand before "times".
_WORDS = {
    "ten": 10,
    "twelve": 12,
    "dozen": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "hundred": 100,
    "thousand": 1000,
    "десять": 10,
    "двенадцать": 12,
    "пятнадцать": 15,
    "двадцать": 20,
    "тридцать": 30,
    "сорок": 40,
    "пятьдесят": 50,
    "сто": 100,
    "тысячу": 1000,
}
_WORD_COUNT = re.compile(rf"\b({'|'.join(_WORDS)}) (?:times|раз)\b", re.IGNORECASE)
_COUNT = re.compile(rf"(?<![\d.,])(\d{{1,4}})(?:(?P<times>{_TIMES})|(?=[\s-]+[^\W\d_]))")
_SECOND_COUNT = re.compile(r"\d\s*[x×]\s*(\d{1,4})(?![\d.,])")
_DIGITS, _ANY_NUMBER = re.compile(r"\d+"), "\0"
_MIN_LETTERS = 3


@dataclass(frozen=True)
class Asked:
    """The largest counts in a prompt: `things` as in "20 tips", `times` as in "50 times", "9x9"."""

    things: int = 0
    times: int = 0


class RepetitionDetector:
    """Reads an answer token by token; a few microseconds each.

    What the prompt asks for so often, as in "write hello 50 times", is no runaway.
    """

    def __init__(self, asked: Asked | None = None) -> None:
        asked = asked or Asked()
        self._num_allowed = _with_slack(max(asked.things, asked.times))
        self._num_times_allowed = _with_slack(asked.times)
        self._tokens = _Period()
        self._texts: list[str] = []
        self._words = _Period()
        self._rest = ""
        self._num_blank = 0

    def is_repeating(self, token: int, text: str) -> bool:
        """Add a token and its text; return whether the answer should end here."""
        self._texts.append(text)
        self._num_blank = self._num_blank + 1 if text.isspace() else 0
        if self._num_blank >= _MIN_SPAN:
            return True
        return self._repeats(token) or self._counts(text)

    def _repeats(self, token: int) -> bool:
        period, span = self._tokens.add(token)
        if not period or span < _MIN_SPAN:
            return False
        wanted = max(_MIN_SPAN, min(_MIN_LINES * period, _MIN_LINES_SPAN), _MIN_PARAGRAPHS * period)
        allowed = self._num_allowed if period <= _MAX_ASKED_PERIOD else self._num_times_allowed
        if period <= _MAX_TIMES_PERIOD:
            wanted = max(wanted, min(allowed * period, _MAX_ASKED_SPAN))
        if span < wanted:
            return False
        return span >= _MIN_DRAWN_SPAN or any(map(_has_letter, self._texts[-period:]))

    def _counts(self, text: str) -> bool:
        """Add text; return whether its words come again and again with other numbers in them."""
        words = (self._rest + text).split()
        self._rest = words.pop() if words and not text[-1:].isspace() else ""
        return any([self._counts_word(word) for word in words])

    def _counts_word(self, word: str) -> bool:
        period, span = self._words.add(_DIGITS.sub(_ANY_NUMBER, word))
        if not period or span % period or span < _MAX_COUNTED[0][1] * period:
            return False
        newest = [str(word) for word in self._words.newest(period)]
        # Without a number in them, the words are those of a loop, which their tokens show.
        if not any(_ANY_NUMBER in word for word in newest):
            return False
        plain = sum(map(_is_plain, newest))
        most = next((most for least, most in _MAX_COUNTED if plain >= least), None)
        return most is not None and span >= max(most, self._num_allowed) * period


def asked_in(prompt: str) -> Asked:
    """Return the largest counts that a prompt names.

    Of a long prompt, such as one with a file in it, the beginning and the end are read.
    """
    is_long = len(prompt) > 2 * _ASKED_CHARS
    ends = prompt[:_ASKED_CHARS] + "\n" + prompt[-_ASKED_CHARS:] if is_long else prompt
    found = [(int(match[1]), match["times"]) for match in _COUNT.finditer(ends)]
    found += [(int(match[1]), match[0]) for match in _SECOND_COUNT.finditer(ends)]
    found += [(_WORDS[match[1].lower()], match[0]) for match in _WORD_COUNT.finditer(ends)]
    small = [(count, times) for count, times in found if count <= _MAX_ASKED]
    return Asked(
        things=max((count for count, _ in small), default=0),
        times=max((count for count, times in small if times), default=0),
    )


def _with_slack(count: int) -> int:
    return count + count // 8 + 2 if count else 0


class _Period:
    """Follows the period with which the newest symbols come again."""

    def __init__(self) -> None:
        self._symbols: list[Hashable] = []
        self._seen: dict[tuple[Hashable, ...], int] = {}
        self._period = 0
        self._span = 0

    def add(self, symbol: Hashable) -> tuple[int, int]:
        """Add a symbol; return the period, 0 for none, and how many symbols have it."""
        symbols = self._symbols
        symbols.append(symbol)
        newest = len(symbols) - 1
        if self._period and symbols[newest - self._period] == symbol:
            self._span += 1
        else:
            self._period = self._span = 0
        gram = tuple(symbols[-_GRAM:])
        seen = self._seen.get(gram)
        self._seen[gram] = newest
        if not self._period and seen is not None and newest - seen <= MAX_PERIOD:
            self._follow(newest - seen)
        return self._period, self._span

    def newest(self, num: int) -> list[Hashable]:
        return self._symbols[-num:]

    def _follow(self, period: int) -> None:
        """Take up a period, counting the symbols that had it before it was noticed."""
        symbols = self._symbols
        start = len(symbols) - 1
        while start >= period and symbols[start] == symbols[start - period]:
            start -= 1
        self._period, self._span = period, len(symbols) - 1 - start + period


def _has_letter(text: str) -> bool:
    return any(map(str.isalnum, text))


def _is_plain(word: str) -> bool:
    bare = word.strip(".,;:!?()[]{}<>\"'`*|")
    return len(bare) >= _MIN_LETTERS and bare.isalpha()
