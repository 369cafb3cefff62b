"""How many parameters of a model compute for each token."""

from __future__ import annotations

from pathlib import Path

from tierchat.config.catalogue import ModelSpec
from tierchat.models.active_parameters import ActiveParameters


def test_the_catalogue_comes_first_and_active_parameters_before_all() -> None:
    sizes = ActiveParameters()
    assert sizes.find(ModelSpec(file="gone", parameters=30, active_parameters=3)) == 3
    assert sizes.find(ModelSpec(file="gone", parameters=30)) == 30
    assert sizes.given(ModelSpec(file="gone")) == 0


def test_without_the_catalogue_the_header_of_the_file_says_it(models_dir: Path) -> None:
    file = models_dir / "pocket-xs.gguf"
    assert ActiveParameters().find(ModelSpec(file=str(file))) == 295_488


def test_without_a_file_it_is_estimated_from_the_published_bytes() -> None:
    sizes = ActiveParameters()
    assert sizes.find(ModelSpec(file="gone", bytes=630)) == 1000
    assert sizes.find(ModelSpec(file="gone")) == 1
