"""Models that are one file, loaded in one way, are known under the name of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.config.catalogue import ModelSpec
from tierchat.config.shared_models import owners
from tierchat.types import Sampling

SHA = "a" * 64


@pytest.mark.parametrize(
    ("other", "is_shared"),
    [
        (ModelSpec(file="/m/x.gguf"), True),
        (ModelSpec(file="/m/x.gguf", sampling=Sampling(temperature=0.1), license="MIT"), True),
        (ModelSpec(file="/m/x.gguf", context=512), False),
        (ModelSpec(file="/m/x.gguf", kv_type="q8_0"), False),
        (ModelSpec(file="/m/x.gguf", gpu_layers=0), False),
        (ModelSpec(file="/m/y.gguf"), False),
        (ModelSpec(file="/m/x.gguf", sha256=SHA), True),
    ],
)
def test_the_same_file_in_the_same_way_is_shared(other: ModelSpec, is_shared: bool) -> None:
    found = owners({"first": ModelSpec(file="/m/x.gguf"), "other": other})
    assert (found["first"] == found["other"]) == is_shared


def test_the_name_with_a_published_hash_stands_for_the_other() -> None:
    models = {"mine": ModelSpec(file="/x.gguf"), "known": ModelSpec(file="/x.gguf", sha256=SHA)}
    assert owners(models) == {"known": "known", "mine": "known"}


def test_one_file_with_two_published_hashes_is_not_shared() -> None:
    models = {n: ModelSpec(file="/x.gguf", sha256=n * 64) for n in ("a", "b")}
    assert owners(models) == {"a": "a", "b": "b"}


def test_a_link_leads_to_the_same_file(tmp_path: Path) -> None:
    file, link = tmp_path / "x.gguf", tmp_path / "link.gguf"
    file.touch()
    link.symlink_to(file)
    models = {"x": ModelSpec(file=str(file)), "link": ModelSpec(file=str(link))}
    assert owners(models) == {"x": "x", "link": "x"}
