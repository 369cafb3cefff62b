"""Reads numbers, texts and values from the header of a GGUF; checks every length before use.

Does not know which keys or tensors a model needs. Raises ModelCorrupt with the broken rule; the
caller adds the name of the file.

The file is read in growing steps and never mapped: a file that shrinks while it is mapped ends
the process that maps it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from tierchat.errors import ModelCorrupt

# The largest published vocabularies (262,144 tokens, 600,000 merges) need less than 20 MiB.
MAX_HEADER_BYTES = 64 << 20
MAX_ARRAY_TEXTS = 1 << 22
MAX_KEY_BYTES = 65_535
# Longer names are shown cut.
MAX_NAME_LENGTH = 64
MAX_TEXT_BYTES = 32 << 20
MAX_ITEM_BYTES = 65_535
# Of longer values only the length is kept: nothing reads them, and headers stay in memory.
MAX_KEPT_TEXT_BYTES = 1 << 20
MAX_KEPT_NUMBERS = 1024

FETCH_AGAIN = "the file is damaged or incomplete; fetch it again"
TEXT, ARRAY = 8, 9
_FIRST_READ_BYTES = 1 << 18
_FORMATS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_NUMBERS = {code: struct.Struct(format_) for code, format_ in _FORMATS.items()}
_U32, _U64 = _NUMBERS[4], _NUMBERS[10]

Number = bool | int | float


@dataclass(frozen=True)
class LongValue:
    """Stands for a value too long to keep; `length` is in items of an array or bytes of a text."""

    length: int


Value = Number | str | tuple[Number, ...] | LongValue


@dataclass(frozen=True)
class RawArray:
    """An array as the bytes of the file; `kind` is the GGUF type of its items."""

    kind: int
    length: int
    data: bytes

    @property
    def kept(self) -> Value:
        """The numbers of a short array; the length of a long array or an array of texts."""
        if self.kind == TEXT or self.length > MAX_KEPT_NUMBERS:
            return LongValue(self.length)
        packing = _NUMBERS[self.kind]
        return tuple(value for (value,) in packing.iter_unpack(self.data))

    def texts(self) -> list[bytes]:
        """Return the items of an array of texts; their lengths were checked on reading."""
        data, at = self.data, 0
        found: list[bytes] = []
        length_of, add = _U64.unpack_from, found.append
        for _ in range(self.length):
            (size,) = length_of(data, at)
            at += 8 + size
            add(data[at - size : at])
        return found


class HeaderReader:
    """Reads one value after another; raises ModelCorrupt at the end of the file or a limit."""

    def __init__(self, file: BinaryIO, file_bytes: int) -> None:
        self._file = file
        self._file_bytes = file_bytes
        self._data = b""
        self.position = 0

    @property
    def bytes_left(self) -> int:
        """The bytes of the file after `position`."""
        return self._file_bytes - self.position

    def u32(self, what: str) -> int:
        """Read an unsigned 32-bit number; `what` names it in errors, here and below."""
        return int(self._number(_U32, what))

    def u64(self, what: str) -> int:
        """Read an unsigned 64-bit number."""
        return int(self._number(_U64, what))

    def count(self, what: str, *, least_bytes: int, most: int) -> int:
        """Read the number of following items; each of them takes at least `least_bytes`."""
        num = self.u64(what)
        if num * least_bytes > self.bytes_left:
            raise ModelCorrupt(
                f"{what} is {num:,}, more than the rest of the file can hold", FETCH_AGAIN
            )
        if num > most:
            raise ModelCorrupt(f"{what} is {num:,}; at most {most:,} are read", FETCH_AGAIN)
        return num

    def raw_bytes(self, num_bytes: int, what: str) -> bytes:
        return self._take(num_bytes, what)

    def raw_text(self, what: str, most_bytes: int) -> bytes:
        """Read a text as its bytes."""
        return self._take(self.count(f"the length of {what}", least_bytes=1, most=most_bytes), what)

    def text(self, what: str, most_bytes: int) -> str:
        """Read a text that must be UTF-8."""
        try:
            return self.raw_text(what, most_bytes).decode()
        except UnicodeDecodeError as error:
            raise ModelCorrupt(f"{what} is not UTF-8", FETCH_AGAIN) from error

    def value(self, key: str) -> Number | bytes | RawArray:
        """Read the type of a value, then the value."""
        kind = self.u32(f"the type of {key}")
        if kind == TEXT:
            return self.raw_text(key, MAX_TEXT_BYTES)
        if kind == ARRAY:
            return self._array(key)
        return self._number(self._packing(kind, key), key)

    def _packing(self, kind: int, key: str) -> struct.Struct:
        if kind not in _NUMBERS:
            raise ModelCorrupt(f"{key} has the unknown value type {kind}", FETCH_AGAIN)
        return _NUMBERS[kind]

    def _array(self, key: str) -> RawArray:
        kind = self.u32(f"the item type of {key}")
        what = f"the number of items in {key}"
        if kind == ARRAY:
            raise ModelCorrupt(f"{key} is an array of arrays, which no model has", FETCH_AGAIN)
        if kind == TEXT:
            num = self.count(what, least_bytes=8, most=MAX_ARRAY_TEXTS)
            start = self.position
            self._skip_texts(num, key)
            return RawArray(kind, num, self._data[start : self.position])
        size = self._packing(kind, key).size
        num = self.count(what, least_bytes=size, most=MAX_HEADER_BYTES)
        return RawArray(kind, num, self._take(num * size, key))

    def _skip_texts(self, num: int, key: str) -> None:
        # This loop may run a million times: it uses local names and checks the end once per item.
        at, data, length_of = self.position, self._data, _U64.unpack_from
        end = len(data)
        for _ in range(num):
            if at + 8 > end:
                data = self._fill(at + 8, key)
                end = len(data)
            (size,) = length_of(data, at)
            if size > MAX_ITEM_BYTES:
                raise ModelCorrupt(
                    f"an item of {key} is {size:,} bytes long; at most {MAX_ITEM_BYTES:,} are read",
                    FETCH_AGAIN,
                )
            at += 8 + size
        self._fill(at, key)
        self.position = at

    def _number(self, packing: struct.Struct, what: str) -> Number:
        (value,) = packing.unpack(self._take(packing.size, what))
        number: Number = value
        return number

    def _take(self, num_bytes: int, what: str) -> bytes:
        start, self.position = self.position, self.position + num_bytes
        return self._fill(self.position, what)[start : self.position]

    def _fill(self, end: int, what: str) -> bytes:
        """Read until `end` is in memory; the buffer at least doubles, so that copies are few."""
        have = len(self._data)
        if end <= have:
            return self._data
        if end > MAX_HEADER_BYTES:
            raise ModelCorrupt(
                f"the header is longer than {MAX_HEADER_BYTES >> 20} MiB at {what}", FETCH_AGAIN
            )
        self._data += self._file.read(max(end, 2 * have, _FIRST_READ_BYTES) - have)
        if len(self._data) < end:
            missing = end - len(self._data)
            raise ModelCorrupt(
                f"the file is incomplete: {what} ends {missing:,} bytes after its end", FETCH_AGAIN
            )
        return self._data


def kept(value: Number | bytes | RawArray) -> Value:
    """Return a value as `metadata` keeps it."""
    if isinstance(value, RawArray):
        return value.kept
    if isinstance(value, bytes):
        too_long = len(value) > MAX_KEPT_TEXT_BYTES
        return LongValue(len(value)) if too_long else value.decode(errors="replace")
    return value
