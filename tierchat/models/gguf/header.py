"""The header of a GGUF, in front of its weights: read within limits and checked without llama.cpp.

Does not know weights, workers or catalogues. llama.cpp refuses a file that breaks one of these
rules without a reason, or aborts its process.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from tierchat.errors import ModelCorrupt, ModelMissing
from tierchat.models.file_stamp import FileStamp
from tierchat.models.gguf.hyperparameters import Hyperparameters
from tierchat.models.gguf.number_formats import file_type_name
from tierchat.models.gguf.reader import (
    FETCH_AGAIN,
    MAX_KEY_BYTES,
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
from tierchat.models.gguf.vocabulary import check_vocabulary

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_KEYS = 65_536
_MAX_NAME_LENGTH = 64
_LEAST_KEY_BYTES = 14
_TEMPLATE = "tokenizer.chat_template"


@dataclass(frozen=True)
class GgufHeader:
    """A header that passed every check. In `metadata` a long array is only its length."""

    version: int
    architecture: str
    name: str
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int
    file_bytes: int
    vocabulary_size: int
    tokens_sha256: str
    """Equal for two files that turn every text into the same tokens, control tokens included: a
    hash of token texts and types, merges, kind of tokenizer, special ids and switches."""

    @property
    def num_parameters(self) -> int:
        """How many numbers all tensors have, counted as llama.cpp does."""
        return sum(tensor.num_elements for tensor in self.tensors)

    @property
    def num_active_parameters(self) -> int:
        """How many parameters are used for one token: all but the experts that are not chosen."""
        used, experts = self.integer("expert_used_count"), self.integer("expert_count")
        if not used or not experts:
            return self.num_parameters
        total = sum(
            tensor.num_elements * used // experts
            if "_exps." in tensor.name
            else tensor.num_elements
            for tensor in self.tensors
        )
        return int(total)

    @property
    def size_bytes(self) -> int:
        """The bytes of all tensors, without padding."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def num_layers(self) -> int:
        return self.integer("block_count") or 0

    @property
    def context(self) -> int:
        """The longest context that the model was trained for, in tokens."""
        return self.integer("context_length") or 0

    @property
    def embedding_length(self) -> int:
        return self.integer("embedding_length") or 0

    @property
    def quantisation(self) -> str:
        """The number format that the file names (Q4_K_M), else the format of most weights."""
        file_type = self.metadata.get("general.file_type")
        named = file_type_name(file_type) if isinstance(file_type, int) else None
        if named:
            return named
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.type_name] += tensor.num_elements
        return sizes.most_common(1)[0][0] if sizes else ""

    @property
    def chat_template(self) -> str | None:
        template = self.metadata.get(_TEMPLATE)
        return template if isinstance(template, str) else None

    @property
    def is_split(self) -> bool:
        """Whether this is the first of several files; tierchat does not load these."""
        return _num_parts(self.metadata) > 1

    def integer(self, key: str) -> int | None:
        """Return the integer at `<architecture>.<key>`; None if there is no integer."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def number(self, key: str) -> float | None:
        """Return the number at `<architecture>.<key>`; None if there is no number."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return float(value) if isinstance(value, int | float) else None

    def per_layer(self, key: str) -> tuple[int, ...] | None:
        """Return the integer of each layer at `<architecture>.<key>`; one integer is for all.

        None if there is neither.
        """
        value = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(value, int):
            return (int(value),) * self.num_layers
        if not isinstance(value, tuple) or len(value) != self.num_layers:
            return None
        whole = tuple(int(number) for number in value if isinstance(number, int))
        return whole if len(whole) == len(value) else None


class CheckedHeaders:
    """Checks headers, and remembers each result until the file changes. For use by any thread."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[FileStamp | None, GgufHeader | ModelCorrupt]] = {}

    def check(self, path: Path) -> GgufHeader:
        """Return the header of a file that a worker may load; raises ModelMissing, ModelCorrupt."""
        stamp = FileStamp.of(path)
        known_stamp, result = self._known.get(path, (None, None))
        if result is None or known_stamp != stamp:
            result = _result(path)
            self._known[path] = (stamp, result)
        if isinstance(result, ModelCorrupt):
            raise ModelCorrupt(result.message, result.hint)
        return result


def _result(path: Path) -> GgufHeader | ModelCorrupt:
    try:
        header = read_header(path)
    except ModelCorrupt as error:
        # A new error, since the traceback of this one would keep the bytes that were read.
        return ModelCorrupt(error.message, error.hint)
    if not header.is_split:
        return header
    num = _num_parts(header.metadata)
    return ModelCorrupt(
        f"{path} is the first of {num} parts of a model; tierchat loads only whole files",
        "join the parts with `llama-gguf-split --merge`, or fetch a whole file",
    )


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of a GGUF.

    Raises ModelMissing for a file that cannot be read, ModelCorrupt with the broken rule.
    """
    try:
        # Opening a pipe would wait for a writer.
        if path.exists() and not path.is_file():
            raise ModelMissing(f"{path} is not a file", "check `file` in models.toml")
        with path.open("rb", buffering=0) as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise _unreadable(path, error) from error
    except ModelCorrupt as error:
        raise ModelCorrupt(f"{path} is not a valid model: {error.message}", error.hint) from error


def _unreadable(path: Path, error: OSError) -> ModelMissing:
    return ModelMissing(
        f"cannot read the model file {path}: {error.strerror}",
        "check `file` in models.toml; `tierchat paths` shows where that is",
    )


def _read(file: BinaryIO, file_bytes: int) -> GgufHeader:
    reader = HeaderReader(file, file_bytes)
    version = _read_version(reader, file_bytes)
    num_tensors = tensor_count(reader)
    values = _read_values(reader)
    metadata = {key: kept(value) for key, value in values.items()}
    _check_part(metadata)
    architecture = _architecture(metadata)
    alignment = check_alignment(metadata.get("general.alignment"))
    tensors = read_tensors(reader, num_tensors)
    data_offset = reader.position + -reader.position % alignment
    vocabulary = check_vocabulary(values)
    if not isinstance(metadata.get(_TEMPLATE, ""), str):
        raise ModelCorrupt(f"{_TEMPLATE} is not a text, or too long", FETCH_AGAIN)
    Hyperparameters(architecture, metadata).check()
    # The first part of a split model may have no tensors.
    if not tensors and _num_parts(metadata) <= 1:
        raise ModelCorrupt("it has no tensors", "use a GGUF of a whole language model")
    if tensors:
        check_layout(tensors, alignment, file_bytes - data_offset)
    name = metadata.get("general.name", "")
    return GgufHeader(
        version=version,
        architecture=architecture,
        name=name if isinstance(name, str) else "",
        metadata=MappingProxyType(metadata),
        tensors=tensors,
        data_offset=data_offset,
        file_bytes=file_bytes,
        vocabulary_size=vocabulary.size,
        tokens_sha256=vocabulary.sha256,
    )


def _read_version(reader: HeaderReader, file_bytes: int) -> int:
    if not file_bytes:
        raise ModelCorrupt("it is empty", FETCH_AGAIN)
    magic = reader.raw_bytes(min(len(_MAGIC), file_bytes), "the magic")
    if magic != _MAGIC:
        raise ModelCorrupt(f"it begins with {magic!r} instead of {_MAGIC!r}", FETCH_AGAIN)
    version = reader.u32("the version")
    if version and not version & 0xFFFF:
        raise ModelCorrupt(
            f"it is big-endian (version {version:#010x}), for other processors",
            "fetch the little-endian file",
        )
    if version not in _VERSIONS:
        raise ModelCorrupt(f"its GGUF version is {version:,}; 2 and 3 are read", FETCH_AGAIN)
    return version


def _read_values(reader: HeaderReader) -> dict[str, Number | bytes | RawArray]:
    num = reader.count("the number of keys", least_bytes=_LEAST_KEY_BYTES, most=_MAX_KEYS)
    values: dict[str, Number | bytes | RawArray] = {}
    for index in range(num):
        key = reader.text(f"key {index}", MAX_KEY_BYTES)
        if not key:
            raise ModelCorrupt(f"key {index} is empty", FETCH_AGAIN)
        if key in values:
            raise ModelCorrupt(f"the key {key!r:.80} is there twice", FETCH_AGAIN)
        is_plain = key.isprintable() and len(key) <= _MAX_NAME_LENGTH
        values[key] = reader.value(key if is_plain else f"{key!r:.80}")
    return values


def _architecture(metadata: Mapping[str, Value]) -> str:
    name = metadata.get("general.architecture")
    if not name or not isinstance(name, str):
        raise ModelCorrupt("general.architecture is missing", FETCH_AGAIN)
    if not name.isprintable() or len(name) > _MAX_NAME_LENGTH:
        raise ModelCorrupt(f"general.architecture is {name!r:.80}", FETCH_AGAIN)
    return name


def _num_parts(metadata: Mapping[str, Value]) -> int:
    found = metadata.get("split.count")
    return found if isinstance(found, int) else 0


def _check_part(metadata: Mapping[str, Value]) -> None:
    # Later parts have no architecture and no vocabulary.
    number = metadata.get("split.no")
    if _num_parts(metadata) > 1 and number:
        raise ModelCorrupt(
            f"it is one of {_num_parts(metadata)} parts of a model, and not the first",
            "join the parts with `llama-gguf-split --merge`, or fetch a whole file",
        )
