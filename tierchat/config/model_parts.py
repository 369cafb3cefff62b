"""The files of one model: a single GGUF, or the parts into which a large model was split.

Does not know what is in a file, or whether the file is here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec

from tierchat.errors import ModelMissing
from tierchat.types import Frozen

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
# More parts than any published model has; every look at a model looks at each of them.
MAX_PARTS = 1000
# llama.cpp finds the other parts by this name, and by no other.
_PART = re.compile(r"(?P<before>.*[^/])-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)


class ModelFile(Frozen, frozen=True):
    """One file of a model; `bytes` (0: unknown) and `sha256` are those of the published file."""

    file: FileName
    bytes: Count = 0
    sha256: Sha256 | None = None


def part_names(file: str) -> tuple[str, ...]:
    """Name all parts of the split model that `file` is named as a part of, else `file` alone."""
    match = _PART.fullmatch(file)
    if not match:
        return (file,)
    count = int(match["count"])
    if not 1 <= int(match["number"]) <= count <= MAX_PARTS:
        return (file,)
    return tuple(f"{match['before']}-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1))


def part_paths(path: Path) -> tuple[Path, ...]:
    """Return the paths of all parts of the split model that `path` is named as a part of."""
    return tuple(path.with_name(Path(name).name) for name in part_names(str(path)))


def missing_part(path: Path, number: int, count: int) -> ModelMissing:
    """Describe a part of a split model that is not beside the first one."""
    return ModelMissing(
        f"part {number} of {count} of the model is missing: {path}",
        "all parts of a split model must lie in one folder, under the names they were given",
    )
