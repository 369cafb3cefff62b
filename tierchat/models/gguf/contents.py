"""What one GGUF holds in front of its weights: keys, values and the list of its tensors.

Does not know what a whole model needs: a later part of a split model has no vocabulary. Raises
ModelCorrupt with the broken rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tierchat.errors import ModelCorrupt
from tierchat.models.gguf.magic import check_magic, check_version
from tierchat.models.gguf.reader import (
    FETCH_AGAIN,
    MAX_KEY_BYTES,
    MAX_NAME_LENGTH,
    HeaderReader,
    Number,
    RawArray,
    Value,
    kept,
)
from tierchat.models.gguf.tensors import (
    Tensor,
    check_alignment,
    check_layout,
    read_tensors,
    tensor_count,
)

_MAX_KEYS = 65_536
_LEAST_KEY_BYTES = 14


@dataclass(frozen=True)
class Contents:
    """Keys and tensors of one file; `values` are the keys as they were read, arrays whole."""

    version: int
    values: Mapping[str, Number | bytes | RawArray]
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int
    file_bytes: int

    @property
    def part(self) -> int:
        """The number of this part of a split model, from 0."""
        return _whole(self.metadata.get("split.no"))

    @property
    def num_parts(self) -> int:
        """How many parts the model has; 1 for a whole file."""
        return max(1, _whole(self.metadata.get("split.count")))


def read_contents(file: BinaryIO, file_bytes: int) -> Contents:
    """Read and check everything in front of the weights, and that the file has all of them."""
    check_magic(file, file_bytes)
    reader = HeaderReader(file, file_bytes)
    version = check_version(reader)
    num_tensors = tensor_count(reader)
    values = _read_values(reader)
    metadata = {key: kept(value) for key, value in values.items()}
    alignment = check_alignment(metadata.get("general.alignment"))
    tensors = read_tensors(reader, num_tensors)
    data_offset = reader.position + -reader.position % alignment
    if tensors:
        check_layout(tensors, alignment, file_bytes - data_offset)
    return Contents(version, values, metadata, tensors, data_offset, file_bytes)


def _read_values(reader: HeaderReader) -> dict[str, Number | bytes | RawArray]:
    num = reader.count("the number of keys", least_bytes=_LEAST_KEY_BYTES, most=_MAX_KEYS)
    values: dict[str, Number | bytes | RawArray] = {}
    for index in range(num):
        key = reader.text(f"key {index}", MAX_KEY_BYTES)
        if not key:
            raise ModelCorrupt(f"key {index} is empty", FETCH_AGAIN)
        if key in values:
            raise ModelCorrupt(f"the key {key!r:.80} is there twice", FETCH_AGAIN)
        is_plain = key.isprintable() and len(key) <= MAX_NAME_LENGTH
        values[key] = reader.value(key if is_plain else f"{key!r:.80}")
    return values


def _whole(value: Value | None) -> int:
    return value if isinstance(value, int) else 0
