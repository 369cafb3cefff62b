"""A model file is the one that was published, or it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.errors import ModelCorrupt, ModelMissing
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
