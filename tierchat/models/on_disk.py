"""Whether the file of a model has arrived, judged by its size alone.

Does not read the file: `verified_files` compares its hash.
"""

from __future__ import annotations

from pathlib import Path

from tierchat.config.catalogue import ModelSpec


def is_whole(spec: ModelSpec) -> bool:
    """Whether a model's file is here and has the published size, where that is known."""
    path = Path(spec.file)
    return path.is_file() and spec.bytes in (0, path.stat().st_size)
