"""Long texts of a prompt, left for another thread to tokenise.

Does not know templates or engines. llama.cpp tokenises from 1 to 5 MB a second, and any thread may
let it, for it only reads the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from tierchat.engine.control_tokens import ControlTokens
from tierchat.engine.template import Tokenizer

# Tokenised in less time than a token of a small model takes.
SHORT_CHARS = 8_000


@dataclass(frozen=True)
class Counted:
    """A report of the other thread on the order `id`: the tokens, None while there are none yet."""

    id: int
    result: Future[list[int] | None]


class LongTexts:
    """A tokenizer for short texts that puts a negative number in the place of each long one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._texts: list[tuple[str, bool]] = []

    @property
    def control_texts(self) -> ControlTokens:
        return self._tokenizer.control_texts

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        """Tokenise a short text; remember a long one."""
        if len(text) <= SHORT_CHARS:
            return self._tokenizer.tokenize(text, parse_special=parse_special)
        self._texts.append((text, parse_special))
        return [-len(self._texts)]

    def fill_in(self, tokens: Sequence[int]) -> list[int]:
        """Put the tokens of the long texts into their places. Any thread may do this."""
        found: list[int] = []
        for token in tokens:
            if token >= 0:
                found.append(token)
            else:
                text, parse_special = self._texts[-token - 1]
                found += self._tokenizer.tokenize(text, parse_special=parse_special)
        return found
