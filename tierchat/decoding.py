"""Bytes of a file or pipe turned into text: UTF-8, or what a byte order mark at its start names.

Does not know where the bytes come from. Windows PowerShell writes UTF-16 with a mark, many editors
UTF-8 with one; without a mark, text is UTF-8.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Decoded:
    """A text, and the number of places in it that could not be decoded and read U+FFFD."""

    text: str
    num_bad: int


def decode(data: bytes) -> Decoded:
    """Decode text and drop its mark; what cannot be decoded is replaced and counted."""
    encoding, bare = _encoding(data)
    try:
        return Decoded(bare.decode(encoding), 0)
    except UnicodeDecodeError:
        text = bare.decode(encoding, "replace")
        # A character U+FFFD that stands in the file itself is no mistake.
        own = bare.count(REPLACEMENT.encode(encoding))
        return Decoded(text, max(text.count(REPLACEMENT) - own, 1))


def decode_strictly(data: bytes) -> str:
    """Decode text and drop its mark; raises UnicodeDecodeError with the offset in `data`."""
    encoding, bare = _encoding(data)
    try:
        return bare.decode(encoding)
    except UnicodeDecodeError as error:
        mark = len(data) - len(bare)
        raise UnicodeDecodeError(
            encoding, data, error.start + mark, error.end + mark, error.reason
        ) from error


def lines_of(text: str) -> list[str]:
    """Split a text at line feeds alone.

    `str.splitlines` also splits at U+2028, U+0085 and others, which may stand inside a JSON string.
    """
    return [line.removesuffix("\r") for line in text.split("\n")]


def _encoding(data: bytes) -> tuple[str, bytes]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, data[len(mark) :]
    return "utf-8", data
