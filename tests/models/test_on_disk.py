"""A model's file has arrived when it has the published size."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.config.catalogue import ModelSpec
from tierchat.models.on_disk import is_whole


@pytest.mark.parametrize(("size_bytes", "expected"), [(7, True), (0, True), (8, False)])
def test_a_file_is_whole_when_it_has_the_published_size(
    tmp_path: Path, size_bytes: int, expected: bool
) -> None:
    file = tmp_path / "model.gguf"
    spec = ModelSpec(file=str(file), bytes=size_bytes)
    assert not is_whole(spec)
    file.write_bytes(b"weights")
    assert is_whole(spec) == expected


def test_a_directory_is_no_model(tmp_path: Path) -> None:
    assert not is_whole(ModelSpec(file=str(tmp_path)))
