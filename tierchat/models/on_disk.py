"""Which files of a model have arrived, judged by names and sizes alone.

Does not read the files: `verified_files` compares their hashes.
"""

from __future__ import annotations

from pathlib import Path

from tierchat.config.catalogue import ModelSpec
from tierchat.models.hub.part_file import part_path


def absent_files(spec: ModelSpec) -> list[Path]:
    """List the files of a model that are not on this machine."""
    return [path for path in spec.paths if not path.is_file()]


def is_here(spec: ModelSpec) -> bool:
    """Whether all files of a model are on this machine."""
    return all(path.is_file() for path in spec.paths)


def is_whole(spec: ModelSpec) -> bool:
    """Whether all files of a model are here and have their published sizes, where known."""
    return is_here(spec) and all(
        file.bytes in (0, path.stat().st_size)
        for file, path in zip(spec.files, spec.paths, strict=True)
    )


def size_on_disk(spec: ModelSpec) -> int:
    """Sum up the sizes of the files of a model that are on this machine."""
    return sum(path.stat().st_size for path in spec.paths if path.is_file())


def num_bytes_arrived(spec: ModelSpec) -> int:
    """Sum up the bytes of a model that are here, whole files and what a download left behind."""
    begun = (part_path(path) for path in absent_files(spec))
    return size_on_disk(spec) + sum(part.stat().st_size for part in begun if part.is_file())
