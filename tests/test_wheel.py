"""What a user installs: the wheel holds models and catalogue and works from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_answers_from_another_directory(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "-q", "-w"]
    subprocess.run([*build, str(tmp_path)], check=True)
    (wheel,) = tmp_path.glob("tierchat-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert {"tierchat/models.toml", "tierchat/learning/mix/tables/facts.txt"} <= set(names)
    assert sum(name.endswith(".gguf") for name in names) == 3
    assert wheel.stat().st_size < 21_000_000
    home = tmp_path / "home"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "TIERCHAT_HOME": str(home)}
    tierchat = [sys.executable, "-m", "tierchat"]
    found = subprocess.run(
        [*tierchat, "ask", "2+2"],
        cwd="/",
        env=env,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert found.stdout == b"4\n", found.stderr
    paths = subprocess.run([*tierchat, "paths"], cwd="/", env=env, capture_output=True, check=True)
    assert str(tmp_path / "site").encode() in paths.stdout
    subprocess.run([*tierchat, "daemon", "down"], cwd="/", env=env, check=True)
