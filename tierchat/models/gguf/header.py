"""The header of a GGUF, in front of its weights: read within limits and checked without llama.cpp.

Does not know weights, workers or catalogues. llama.cpp refuses a file that breaks one of these
rules without a reason, or aborts its process.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from tierchat.config.chat_formats import TEMPLATE_KEY, template_keys
from tierchat.config.model_parts import part_paths
from tierchat.errors import ModelCorrupt, ModelMissing
from tierchat.models.file_stamp import ModelStamp
from tierchat.models.gguf.contents import Contents, read_contents
from tierchat.models.gguf.hyperparameters import Hyperparameters
from tierchat.models.gguf.kinds import refuse_other_kinds
from tierchat.models.gguf.number_formats import file_type_name
from tierchat.models.gguf.parts import later_parts, refuse_later_part
from tierchat.models.gguf.reader import FETCH_AGAIN, MAX_NAME_LENGTH, Value
from tierchat.models.gguf.tensors import Tensor
from tierchat.models.gguf.vocabulary import ESCALATE_ID, check_vocabulary

_TOOLS = re.compile(r"\btools\b")


@dataclass(frozen=True)
class GgufHeader:
    """A header that passed every check. In `metadata` a long array is only its length.

    `tensors` and `file_bytes` are those of all parts of a split model; the offset of each tensor is
    that in its own part, and `data_offset` that of the first part.
    """

    version: int
    architecture: str
    name: str
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int
    file_bytes: int
    vocabulary_size: int
    num_parts: int
    tokens_sha256: str
    """Equal for two files that turn every text into the same tokens, control tokens included: a
    hash of token texts and types, merges, kind of tokenizer, special ids and switches."""

    @property
    def has_escalate_token(self) -> bool:
        """Whether the model was trained to say that a prompt is not for it."""
        return ESCALATE_ID in self.metadata

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
        return next(iter(self._templates.values()), None)

    @property
    def other_templates(self) -> tuple[str, ...]:
        """The names of further chat templates, which are not used."""
        return tuple(key.removeprefix(f"{TEMPLATE_KEY}.") for key in [*self._templates][1:])

    @property
    def _templates(self) -> dict[str, str]:
        """The chat templates by their keys; the first one is used."""
        found = {key: self.metadata[key] for key in template_keys(self.metadata)}
        return {key: text for key, text in found.items() if isinstance(text, str) and text.strip()}

    @property
    def can_think(self) -> bool:
        """Whether the chat template has a switch for thinking, or marks of thoughts."""
        template = self.chat_template or ""
        return any(word in template for word in ("enable_thinking", "think>", "think|>"))

    @property
    def knows_tools(self) -> bool:
        """Whether a chat template writes tools, as those do whose models were taught to call."""
        return any(_TOOLS.search(template) for template in self._templates.values())

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
    """Checks headers, and remembers each result until a file changes. For use by any thread."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[ModelStamp | None, GgufHeader | ModelCorrupt]] = {}

    def check(self, path: Path) -> GgufHeader:
        """Return the header of a file that a worker may load; raises ModelMissing, ModelCorrupt."""
        stamp = ModelStamp.of(part_paths(path))
        known_stamp, result = self._known.get(path, (None, None))
        if result is None or known_stamp != stamp:
            result = _result(path)
            self._known[path] = (stamp, result)
        if isinstance(result, ModelCorrupt):
            raise ModelCorrupt(result.message, result.hint)
        return result


def _result(path: Path) -> GgufHeader | ModelCorrupt:
    try:
        return read_header(path)
    except ModelCorrupt as error:
        # A new error, since the traceback of this one would keep the bytes that were read.
        return ModelCorrupt(error.message, error.hint)


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of a GGUF, and of the other parts if it is the first of several.

    Raises ModelMissing for a file that cannot be read, ModelCorrupt with the broken rule.
    """
    first = _contents(path)
    try:
        refuse_later_part(path, first)
        header = _checked(first)
    except ModelCorrupt as error:
        raise _invalid(path, error) from error
    parts = (first, *later_parts(path, first, _contents))
    tensors = tuple(tensor for part in parts for tensor in part.tensors)
    if not tensors:
        nothing = ModelCorrupt("it has no tensors", "use a GGUF of a whole language model")
        raise _invalid(path, nothing)
    file_bytes = sum(part.file_bytes for part in parts)
    return replace(header, tensors=tensors, file_bytes=file_bytes)


def num_parts_of(path: Path) -> int:
    """Return how many parts the model has that a file belongs to, as the file itself says.

    Raises ModelMissing or ModelCorrupt.
    """
    return _contents(path).num_parts


def _contents(path: Path) -> Contents:
    """Read one file; raises ModelMissing or ModelCorrupt, each with its path."""
    try:
        # Opening a pipe would wait for a writer.
        if path.exists() and not path.is_file():
            raise ModelMissing(f"{path} is not a file", "check `file` in models.toml")
        with path.open("rb", buffering=0) as file:
            return read_contents(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise _unreadable(path, error) from error
    except ModelCorrupt as error:
        raise _invalid(path, error) from error


def _unreadable(path: Path, error: OSError) -> ModelMissing:
    return ModelMissing(
        f"cannot read the model file {path}: {error.strerror}",
        "check `file` in models.toml; `tierchat paths` shows where that is",
    )


def _invalid(path: Path, error: ModelCorrupt) -> ModelCorrupt:
    return ModelCorrupt(f"{path} is not a valid model: {error.message}", error.hint)


def _checked(contents: Contents) -> GgufHeader:
    """Check what every whole model needs, and the first part of one; raises ModelCorrupt."""
    metadata = contents.metadata
    architecture = _architecture(metadata)
    refuse_other_kinds(architecture, metadata)
    vocabulary = check_vocabulary(contents.values)
    if not isinstance(metadata.get(TEMPLATE_KEY, ""), str):
        raise ModelCorrupt(f"{TEMPLATE_KEY} is not a text, or too long", FETCH_AGAIN)
    Hyperparameters(architecture, metadata).check()
    name = metadata.get("general.name", "")
    return GgufHeader(
        version=contents.version,
        architecture=architecture,
        name=name if isinstance(name, str) else "",
        metadata=MappingProxyType(dict(metadata)),
        tensors=contents.tensors,
        data_offset=contents.data_offset,
        file_bytes=contents.file_bytes,
        vocabulary_size=vocabulary.size,
        num_parts=contents.num_parts,
        tokens_sha256=vocabulary.sha256,
    )


def _architecture(metadata: Mapping[str, Value]) -> str:
    name = metadata.get("general.architecture")
    if not name or not isinstance(name, str):
        raise ModelCorrupt("general.architecture is missing", FETCH_AGAIN)
    if not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise ModelCorrupt(f"general.architecture is {name!r:.80}", FETCH_AGAIN)
    return name
