"""Makes text safe for a terminal by dropping control characters.

Does not know streams. Works character by character, so a sequence split over two pieces is caught.
"""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"
# Embeddings, overrides and isolates can make text read as something it is not (CVE-2021-42574).
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SURROGATES = range(0xD800, 0xE000)


def harmless(text: str) -> str:
    """Drop bidi overrides, lone surrogates, and C0 and C1 controls except newline and tab.

    Without its ESC character a terminal sequence is only odd text, and has no effect.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char for char in text if _is_harmless(char))


def as_it_is(text: str) -> str:
    """Write what cannot be seen so that it can be: an escape character becomes \\x1b.

    For a text that a person decides about: nothing of it is left out, and nothing can hide in it.
    Line feeds are kept; the caller marks the lines.
    """
    return "".join(char if char == "\n" or char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return ascii(char)[1:-1]


def _is_harmless(char: str) -> bool:
    if char in _KEPT:
        return True
    code = ord(char)
    return unicodedata.category(char) != "Cc" and code not in _BIDI and code not in _SURROGATES
