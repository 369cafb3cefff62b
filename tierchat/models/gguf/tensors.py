"""The list of tensors in a GGUF: names, shapes, formats, and the offset of each in the file.

Does not know what a tensor is for. Raises ModelCorrupt with the broken rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tierchat.errors import ModelCorrupt
from tierchat.models.gguf.number_formats import TENSOR_TYPES, TensorType
from tierchat.models.gguf.reader import FETCH_AGAIN, HeaderReader

DEFAULT_ALIGNMENT = 32
_MAX_TENSORS = 65_536
# ggml's limits: GGML_MAX_NAME less its closing zero, and GGML_MAX_DIMS.
_MAX_NAME_BYTES = 63
_MAX_DIMENSIONS = 4
_LEAST_ALIGNMENT = 8
_MOST_ALIGNMENT = 1 << 20
_LEAST_TENSOR_BYTES = 24
_MAX_ELEMENTS = 2**63 - 1


@dataclass(frozen=True)
class Tensor:
    """One tensor. `shape` begins with the row length, as in GGUF; `offset` is from the data on."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    num_elements: int
    size_bytes: int
    offset: int


def tensor_count(reader: HeaderReader) -> int:
    """Read the number of tensors."""
    return reader.count("the number of tensors", least_bytes=_LEAST_TENSOR_BYTES, most=_MAX_TENSORS)


def read_tensors(reader: HeaderReader, num: int) -> tuple[Tensor, ...]:
    """Read the list of tensors; `check_layout` then checks where they are in the file."""
    found: dict[str, Tensor] = {}
    for index in range(num):
        tensor = _read_tensor(reader, index)
        if tensor.name in found:
            raise ModelCorrupt(f"tensor {tensor.name!r} is there twice", FETCH_AGAIN)
        found[tensor.name] = tensor
    return tuple(found.values())


def _read_tensor(reader: HeaderReader, index: int) -> Tensor:
    name = reader.text(f"the name of tensor {index}", _MAX_NAME_BYTES)
    what = f"tensor {name!r}"
    num_dimensions = reader.u32(f"the number of dimensions of {what}")
    if num_dimensions > _MAX_DIMENSIONS:
        raise ModelCorrupt(
            f"{what} has {num_dimensions:,} dimensions; at most {_MAX_DIMENSIONS} exist",
            FETCH_AGAIN,
        )
    shape = tuple(reader.u64(f"the shape of {what}") for _ in range(num_dimensions))
    code = reader.u32(f"the type of {what}")
    kind = TENSOR_TYPES.get(code)
    if kind is None:
        raise ModelCorrupt(f"{what} has the unknown or abandoned number format {code}", FETCH_AGAIN)
    if len(shape) == 1 and kind.block_length > 1:
        # Norms and biases: llama.cpp uses them without unpacking, and aborts on blocks.
        raise ModelCorrupt(
            f"{what} is a single row in the block format {kind.name}; single rows are not packed",
            FETCH_AGAIN,
        )
    num_elements = _num_elements(what, shape, kind)
    return Tensor(
        name=name,
        shape=shape,
        type_name=kind.name,
        num_elements=num_elements,
        size_bytes=num_elements // kind.block_length * kind.block_bytes,
        offset=reader.u64(f"the offset of {what}"),
    )


def _num_elements(what: str, shape: tuple[int, ...], kind: TensorType) -> int:
    if 0 in shape:
        raise ModelCorrupt(f"{what} has an empty dimension: {_by(shape)}", FETCH_AGAIN)
    num_elements = math.prod(shape)
    if num_elements > _MAX_ELEMENTS:
        raise ModelCorrupt(f"the shape of {what} overflows: {_by(shape)}", FETCH_AGAIN)
    row = shape[0] if shape else 1
    if row % kind.block_length:
        raise ModelCorrupt(
            f"rows of {what} hold {row:,} numbers, not a multiple of the {kind.block_length} "
            f"that a block of {kind.name} holds",
            FETCH_AGAIN,
        )
    return num_elements


def check_alignment(value: object) -> int:
    """Return `general.alignment`, or its default."""
    if value is None:
        return DEFAULT_ALIGNMENT
    if not isinstance(value, int) or value <= 0 or value & (value - 1):
        raise ModelCorrupt(f"general.alignment is {value!r}, not a power of two", FETCH_AGAIN)
    if not _LEAST_ALIGNMENT <= value <= _MOST_ALIGNMENT:
        raise ModelCorrupt(
            f"general.alignment is {value:,}; it can be {_LEAST_ALIGNMENT} to {_MOST_ALIGNMENT:,}",
            FETCH_AGAIN,
        )
    return value


def check_layout(tensors: Iterable[Tensor], alignment: int, data_bytes: int) -> None:
    """Check that tensors follow each other as llama.cpp expects, all within the file."""
    expected = end = 0
    for tensor in tensors:
        if tensor.offset % alignment:
            raise ModelCorrupt(
                f"tensor {tensor.name!r} lies at {tensor.offset:,}, not aligned to {alignment}",
                FETCH_AGAIN,
            )
        if tensor.offset != expected:
            how = "overlaps the one before it" if tensor.offset < expected else "leaves a gap"
            raise ModelCorrupt(
                f"tensor {tensor.name!r} {how}: it lies at {tensor.offset:,}, not {expected:,}",
                FETCH_AGAIN,
            )
        end = tensor.offset + tensor.size_bytes
        expected = end + -end % alignment
    if end > data_bytes:
        raise ModelCorrupt(
            f"{end - data_bytes:,} bytes are missing at its end",
            "the file is incomplete; fetch it again",
        )


def _by(shape: tuple[int, ...]) -> str:
    return " by ".join(f"{number:,}" for number in shape)
