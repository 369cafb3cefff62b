"""What is remembered of this machine's llama.cpp, and of which build."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tierchat.workers.quirks import MachineQuirks, installed_build


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed llama_cpp whose CPU library a test may replace."""
    package = tmp_path / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    spec = ModuleSpec("llama_cpp", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    library = package / "lib" / "libggml-cpu.so"
    library.write_bytes(b"trapping")
    return library


def test_a_quirk_is_remembered(tmp_path: Path) -> None:
    quirks = MachineQuirks(tmp_path / "machine.json")
    assert quirks.uses_extra_buffer_types
    quirks.forbid_extra_buffer_types()
    assert not quirks.uses_extra_buffer_types
    assert not MachineQuirks(tmp_path / "machine.json").uses_extra_buffer_types


def test_a_build_that_replaces_the_trapping_one_is_tried_with_all_it_has(
    tmp_path: Path, library: Path
) -> None:
    quirks = MachineQuirks(tmp_path / "machine.json")
    quirks.forbid_extra_buffer_types()
    assert not quirks.uses_extra_buffer_types
    library.write_bytes(b"built right")
    assert quirks.uses_extra_buffer_types


@pytest.mark.parametrize("text", ["", "{", '{"uses_extra_buffer_types": 3}', "[]"])
def test_a_damaged_memory_costs_only_the_memory(tmp_path: Path, text: str) -> None:
    path = tmp_path / "machine.json"
    path.write_text(text)
    quirks = MachineQuirks(path)
    assert quirks.uses_extra_buffer_types
    quirks.forbid_extra_buffer_types()
    assert not quirks.uses_extra_buffer_types


def test_the_installed_build_has_a_name_and_a_machine_without_one_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "@" in installed_build()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert installed_build() == ""
