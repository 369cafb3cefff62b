"""Whether the files of a model on disk are the files that were published.

Does not know catalogues, workers or what is inside a GGUF.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from tierchat.atomic_file import changing, replace_file
from tierchat.config.model_parts import ModelFile, missing_part
from tierchat.errors import ModelCorrupt, ModelMissing
from tierchat.models.file_stamp import FileStamp
from tierchat.paths import shown

_BLOCK_BYTES = 1 << 20
# A prompt may wait for it once per model; what is not remembered is only hashed again.
_MAX_WAIT_S = 0.25


class VerifiedFiles:
    """Checks a file's sha256 and remembers the result until the file changes (see FileStamp).

    `memory` is a JSON file. When it cannot be read or written, files are hashed again; nothing
    else is lost.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory

    def check(
        self, path: Path, sha256: str | None, on_hash: Callable[[int, int], None] | None = None
    ) -> None:
        """Raise ModelMissing or ModelCorrupt unless the file is there and has this hash.

        While the file is hashed, `on_hash` gets the bytes read so far and those of the whole file.
        """
        stamp = _stamp(path)
        if not sha256:
            return
        identity = f"{stamp} {sha256}"
        if self._load().get(shown(path)) == identity:
            return
        actual = hash_file(path, on_hash)
        if actual != sha256.lower():
            raise ModelCorrupt(
                f"{path} is not the file that was published: its sha256 is {actual[:12]}..., "
                f"models.toml says {sha256[:12]}...",
                "fetch it again with `tierchat pull` (a bundled model: reinstall tierchat)",
            )
        self._note(shown(path), identity)

    def check_all(self, files: Sequence[ModelFile]) -> None:
        """Check every file of a model; raises ModelMissing or ModelCorrupt."""
        for number, file in enumerate(files, 1):
            path = Path(file.file)
            if number > 1 and not path.exists():
                raise missing_part(path, number, len(files))
            self.check(path, file.sha256)

    def remember(self, path: Path, sha256: str) -> None:
        """Note the hash of a file that was hashed as it was written."""
        self._note(shown(path), f"{FileStamp.of_existing(path)} {sha256}")

    def sha256_of(self, path: Path, sha256: str | None) -> str:
        """Return the published sha256, else that of the file, hashed once until the file changes.

        Raises ModelMissing.
        """
        if sha256:
            return sha256.lower()
        key = f"sha256 of {shown(path)}"
        stamp = _stamp(path)
        remembered, _, before = self._load().get(key, "").partition(" ")
        if remembered and before == str(stamp):
            return remembered
        actual = hash_file(path)
        self._note(key, f"{actual} {stamp}")
        return actual

    def sha256_of_model(self, files: Sequence[ModelFile]) -> str:
        """Return the sha256 of a model's file; of a split model, that of its parts' hashes.

        Raises ModelMissing.
        """
        hashes = [self.sha256_of(Path(file.file), file.sha256) for file in files]
        return hashes[0] if len(hashes) == 1 else joined_hash(hashes)

    def _load(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=dict[str, str])
        except (OSError, ValueError):
            return {}

    def _note(self, key: str, value: str) -> None:
        with contextlib.suppress(OSError), changing(self._memory, _MAX_WAIT_S):
            replace_file(self._memory, msgspec.json.encode({**self._load(), key: value}))


def joined_hash(hashes: Sequence[str]) -> str:
    """Return one sha256 that stands for the hashes of all parts of a split model."""
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def hash_file(path: Path, on_hash: Callable[[int, int], None] | None = None) -> str:
    """Return the sha256 of a file in hexadecimal; raises ModelMissing where it cannot be read."""
    digest = hashlib.sha256()
    num_read = 0
    for block, size_bytes in _blocks(path):
        digest.update(block)
        num_read += len(block)
        if on_hash:
            on_hash(num_read, size_bytes)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the blocks of a file, each with the size of the whole file."""
    with _readable(path), path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        while block := file.read(_BLOCK_BYTES):
            yield block, size_bytes


def _stamp(path: Path) -> FileStamp:
    with _readable(path):
        return FileStamp.of_existing(path)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise ModelMissing with the reason where a model file cannot be read."""
    try:
        yield
    except OSError as error:
        raise ModelMissing(
            f"cannot read the model file {path}: {error.strerror}",
            "check `file` in models.toml; `tierchat paths` shows where that is",
        ) from error
