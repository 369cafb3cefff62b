"""The least number of tokens a text can have, from its bytes alone: far faster than to tokenise it.

Pure; does not know llama.cpp. Each token spells a piece of the text. If no piece of a vocabulary
has more than 25 letters, a text with 1,000 letters has 40 tokens at least. The same holds for
digits, blanks, other signs, and bytes beyond ASCII. Letters are counted without case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

_BLANKS = 2
_KINDS: tuple[bytes, ...] = (
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    b"0123456789",
    b" \t\n\r\v\f",
    b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    # The bytes that occur in UTF-8 beyond ASCII.
    bytes(byte for byte in range(0x80, 0xF5) if byte not in (0xC0, 0xC1)),
)
_NO_KIND = len(_KINDS)
_PART_BYTES = 1 << 16


class TokenBound:
    """What the pieces of one vocabulary can spell at most."""

    def __init__(self, pieces: Sequence[bytes], *, counts_blanks: bool = True) -> None:
        """Look at every piece; `counts_blanks` is False where tokenising may drop blanks."""
        spelled = {piece for piece in pieces if piece}
        self._kind_of = np.full(256, _NO_KIND, np.uint8)
        for kind, members in enumerate(_KINDS):
            # Tokenising may drop a byte that has no token of its own.
            counted = [byte for byte in members if bytes([byte]) in spelled]
            if kind != _BLANKS or counts_blanks:
                self._kind_of[counted] = kind
        self._most = self._longest(sorted(spelled))

    def at_least(self, texts: Iterable[str]) -> int:
        """Return a number of tokens that all texts together certainly have.

        Blanks around a text do not count: a template may drop them.
        """
        found = np.zeros(_NO_KIND + 1, np.int64)
        for text in texts:
            found += self._count(text.strip().encode("utf-8", "replace"))
        # One token may spell several kinds, so the bounds of the kinds are not added up.
        return int((-(-found[:_NO_KIND] // self._most)).max())

    def _longest(self, pieces: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Return the most bytes of each kind in any piece."""
        if not pieces:
            return np.ones(_NO_KIND, np.int64)
        kinds = self._kind_of[np.frombuffer(b"".join(pieces), np.uint8)]
        starts = np.cumsum([0, *map(len, pieces[:-1])])
        most = [
            np.add.reduceat(kinds == kind, starts, dtype=np.int64).max() for kind in range(_NO_KIND)
        ]
        return np.maximum(most, 1)

    def _count(self, raw: bytes) -> npt.NDArray[np.int64]:
        """Count the bytes of each kind; between the parts other threads may run."""
        total = np.zeros(_NO_KIND + 1, np.int64)
        for start in range(0, len(raw), _PART_BYTES):
            part = np.frombuffer(raw, np.uint8, min(_PART_BYTES, len(raw) - start), start)
            total += np.bincount(self._kind_of[part], minlength=_NO_KIND + 1)
        return total
