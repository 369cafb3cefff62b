"""Which control tokens stand in a rendered text, and the text of messages, which makes none.

Does not know templates or models. While a template runs, the letters of a message that could be
part of a control token are replaced by private ones, so that whatever the template does to them,
only its own text can spell a control token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

# Private letters of Unicode's plane 16.
_FIRST_PRIVATE, _LAST_PRIVATE = 0x100000, 0x10FFFD
_PRIVATE = re.compile("[\U00100000-\U0010fffd]")
# What C's isspace() takes for a blank.
_BLANKS = " \t\n\v\f\r"


@dataclass(frozen=True)
class ControlToken:
    """One control token: llama.cpp drops the blanks before or after some of them."""

    id: int
    text: str
    strips_before: bool = False
    strips_after: bool = False


class ControlTokens:
    """All control tokens of a vocabulary."""

    def __init__(self, tokens: Iterable[ControlToken]) -> None:
        self._tokens = {token.text: token for token in tokens if token.text.strip()}

    @cached_property
    def letters(self) -> frozenset[str]:
        """The letters of all texts, blanks left out."""
        return frozenset("".join(self._tokens)) - frozenset(_BLANKS)

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Matches the text of any token, the longest one where several begin."""
        texts = sorted(self._tokens, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, texts))) if texts else None

    def split(self, text: str) -> Iterator[str | int]:
        """Yield the text between control tokens, and the tokens as their ids."""
        start = 0
        for match in self.pattern.finditer(text) if self.pattern else ():
            token = self._tokens[match[0]]
            before = text[start : match.start()]
            before = before.rstrip(_BLANKS) if token.strips_before else before
            if before:
                yield before
            yield token.id
            start = match.end()
            while token.strips_after and start < len(text) and text[start] in _BLANKS:
                start += 1
        if text[start:]:
            yield text[start:]


class Disguise:
    """Turns letters of messages into private ones and back, for one conversation."""

    def __init__(self, controls: ControlTokens, contents: Iterable[str]) -> None:
        self._pattern = controls.pattern
        taken = {letter for text in contents for letter in _PRIVATE.findall(text)}
        free = (
            chr(code) for code in range(_FIRST_PRIVATE, _LAST_PRIVATE + 1) if chr(code) not in taken
        )
        pairs = list(zip(sorted(controls.letters), free, strict=False))
        self._hidden = {ord(letter): private for letter, private in pairs}
        self._shown = {ord(private): letter for letter, private in pairs}

    def whole(self, text: str) -> str:
        """Hide every letter that occurs in a control token."""
        return text.translate(self._hidden)

    def tokens_only(self, text: str, but: Collection[str] = ()) -> str:
        """Hide the control tokens that a text spells, `but` some; everything else can be read."""

        def hidden(found: re.Match[str]) -> str:
            return found[0] if found[0] in but else self.whole(found[0])

        return self._pattern.sub(hidden, text) if self._pattern else text

    def lifted(self, text: str) -> str:
        """Show the text as it was written."""
        return text.translate(self._shown)
