"""A model file is the one that was published, or it is refused."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tierchat.atomic_file import locked
from tierchat.errors import ModelCorrupt, ModelMissing
from tierchat.models import verified_files
from tierchat.models.verified_files import VerifiedFiles, hash_file


def test_a_right_hash_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"weights")
    files = VerifiedFiles(tmp_path / "verified.json")
    files.check(model, hash_file(model))
    assert "weights" not in (tmp_path / "verified.json").read_text()
    sha256 = hash_file(model)
    model.write_bytes(b"replaced")
    with pytest.raises(ModelCorrupt, match="not the file that was published"):
        files.check(model, sha256)


def test_a_missing_file_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        VerifiedFiles(tmp_path / "verified.json").check(tmp_path / "no.gguf", None)
    assert "no.gguf" in caught.value.message and "models.toml" in caught.value.hint


def test_a_broken_or_unwritable_memory_only_costs_hashing(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"weights")
    memory = tmp_path / "verified.json"
    memory.write_text("{broken")
    VerifiedFiles(memory).check(model, hash_file(model))
    VerifiedFiles(tmp_path / "no" / "such" / "dir.json").check(model, hash_file(model))


@pytest.mark.parametrize("data", [b"longer than before", b"samesize"])
def test_a_file_replaced_with_its_time_kept_is_hashed_again(tmp_path: Path, data: bytes) -> None:
    model, other = tmp_path / "model.gguf", tmp_path / "other.gguf"
    model.write_bytes(b"old file")
    files = VerifiedFiles(tmp_path / "verified.json")
    old = files.sha256_of(model, None)
    files.check(model, old)
    other.write_bytes(data)
    os.utime(other, ns=(model.stat().st_atime_ns, model.stat().st_mtime_ns))
    other.replace(model)
    assert files.sha256_of(model, None) != old
    with pytest.raises(ModelCorrupt):
        files.check(model, old)


def test_a_held_lock_of_the_memory_only_costs_hashing(tmp_path: Path) -> None:
    model, memory = tmp_path / "model.gguf", tmp_path / "verified.json"
    model.write_bytes(b"weights")
    begun_s = time.monotonic()
    with locked(memory, lambda: None):
        VerifiedFiles(memory).check(model, hash_file(model))
    assert time.monotonic() - begun_s < 5 and not memory.exists()


def test_a_directory_in_place_of_a_model_file_is_named(tmp_path: Path) -> None:
    files = VerifiedFiles(tmp_path / "verified.json")
    for look in (lambda: files.check(tmp_path, "0" * 64), lambda: files.sha256_of(tmp_path, None)):
        with pytest.raises(ModelMissing, match="Is a directory") as caught:
            look()
        assert "models.toml" in caught.value.hint


def test_an_error_of_who_watches_the_hashing_is_not_taken_for_one_of_the_file(
    tmp_path: Path,
) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"weights")

    def fail(done: int, total: int) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        hash_file(model, fail)


def test_hashes_remembered_by_many_threads_are_all_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified_files, "_MAX_WAIT_S", 10.0)
    models = [tmp_path / f"{number}.gguf" for number in range(20)]
    memory = tmp_path / "verified.json"

    def check(model: Path) -> None:
        model.write_bytes(model.name.encode())
        VerifiedFiles(memory).check(model, hash_file(model))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, models))
    assert set(json.loads(memory.read_text())) == {str(model) for model in models}
