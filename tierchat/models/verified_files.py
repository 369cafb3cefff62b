"""Model files on disk: whether one is the file that was published.

Does not know catalogues, workers or what is inside a GGUF.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from tierchat.atomic_file import changing, replace_file
from tierchat.errors import ModelCorrupt, ModelMissing

_BLOCK_BYTES = 1 << 20


class VerifiedFiles:
    """Checks a file's sha256 and remembers the answer for as long as the file is unchanged.

    Unchanged means same size, modification time, inode and device. `memory` is a JSON file;
    when it cannot be read or written, files are hashed again and nothing else is lost.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def check(
        self, path: Path, sha256: str | None, on_hash: Callable[[int, int], None] | None = None
    ) -> None:
        """Raise ModelMissing or ModelCorrupt unless the file is there and has this hash.

        `on_hash` hears how many bytes of how many are read, where they must be.
        """
        try:
            stat = path.stat()
        except OSError as error:
            raise ModelMissing(
                f"cannot read the model file {path}: {error.strerror}",
                "check `file` in models.toml; `tierchat paths` shows where that is",
            ) from error
        if not sha256:
            return
        identity = _identity(stat, sha256)
        if self._load().get(str(path)) == identity:
            return
        found = hash_file(path, on_hash)
        if found != sha256.lower():
            raise ModelCorrupt(
                f"{path} is not the file that was published: its sha256 is {found[:12]}..., "
                f"models.toml says {sha256[:12]}...",
                "fetch it again with `tierchat pull` (a bundled model: reinstall tierchat)",
            )
        self._note(str(path), identity)

    def remember(self, path: Path, sha256: str) -> None:
        """Note the hash of a file that was hashed as it was written."""
        self._note(str(path), _identity(path.stat(), sha256))

    def sha256_of(self, path: Path, sha256: str | None) -> str:
        """Return the file's sha256: as published, else hashed once for as long as it is unchanged.

        Raises ModelMissing.
        """
        if sha256:
            return sha256.lower()
        key = f"sha256 of {path}"
        try:
            stat = path.stat()
            identity = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino} {stat.st_dev}"
            known, _, before = self._load().get(key, "").partition(" ")
            if known and before == identity:
                return known
            found = hash_file(path)
        except OSError as error:
            raise ModelMissing(f"cannot read the model file {path}: {error.strerror}") from error
        self._note(key, f"{found} {identity}")
        return found

    def _load(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=dict[str, str])
        except (OSError, ValueError):
            return {}

    def _note(self, key: str, value: str) -> None:
        with contextlib.suppress(OSError), changing(self._memory):
            replace_file(self._memory, msgspec.json.encode({**self._load(), key: value}))


def hash_file(path: Path, on_hash: Callable[[int, int], None] | None = None) -> str:
    """Return the sha256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    num_read = 0
    with path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            num_read += len(block)
            if on_hash:
                on_hash(num_read, size_bytes)
    return digest.hexdigest()


def _identity(stat: os.stat_result, sha256: str) -> str:
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino} {stat.st_dev} {sha256}"
