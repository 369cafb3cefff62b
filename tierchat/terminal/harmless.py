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


def _is_harmless(char: str) -> bool:
    if char in _KEPT:
        return True
    code = ord(char)
    return unicodedata.category(char) != "Cc" and code not in _BIDI and code not in _SURROGATES
