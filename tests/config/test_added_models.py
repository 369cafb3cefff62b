"""The file that `add`, `pull` and `rm` write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tierchat.config.added_models import add_model, forget_model
from tierchat.config.catalogue_files import added_models
from tierchat.errors import UnsafePath
from tierchat.paths import find_paths

_NUM_ADDED = 15
_ADD_MANY = f"""
import os, sys, time
from tierchat.config.added_models import add_model
from tierchat.paths import find_paths
paths = find_paths(os.environ)
print(flush=True)
sys.stdin.readline()
for number in range({_NUM_ADDED}):
    name = f"{{sys.argv[1]}}-{{number}}"
    add_model(name, {{"file": f"/{{name}}.gguf"}}, paths)
"""


def test_two_processes_that_add_models_at_once_lose_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERCHAT_HOME", str(tmp_path))
    adders = [
        subprocess.Popen(
            [sys.executable, "-c", _ADD_MANY, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]
    for adder in adders:
        assert adder.stdout and adder.stdout.readline()
    for adder in adders:
        assert adder.stdin
        adder.stdin.write(b"\n")
        adder.stdin.flush()
    for adder in adders:
        adder.communicate(timeout=60)
    assert [adder.returncode for adder in adders] == [0, 0]
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    known = added_models(paths)
    names = {f"{name}-{number}" for name in ("one", "two") for number in range(_NUM_ADDED)}
    assert set(known.models) == set(known.cascades) == names
    assert list(paths.data_dir.iterdir()) == [paths.added_models_file]


def test_a_model_is_forgotten_once(tmp_path: Path) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    assert not forget_model("mine", paths)
    assert not paths.data_dir.exists()
    add_model("mine", {"file": "/mine.gguf"}, paths)
    assert forget_model("mine", paths)
    assert not forget_model("mine", paths)
    assert not added_models(paths).models


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    add_model("mine", {"file": "/mine.gguf"}, paths)
    paths.added_models_file.with_name("models.toml.lock").mkdir()
    with pytest.raises(UnsafePath, match=r"models\.toml: "):
        add_model("yours", {"file": "/yours.gguf"}, paths)
