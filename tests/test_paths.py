"""Where files go, and who may look at them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tierchat.errors import UnsafePath
from tierchat.paths import find_paths, make_private


def test_one_variable_puts_everything_below_one_directory(tmp_path: Path) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    for place in (paths.config_file, paths.models_file, paths.socket, paths.daemon_log):
        assert place.is_relative_to(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_long_home_gets_a_short_socket(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 120)
    paths = find_paths({"TIERCHAT_HOME": str(home)})
    assert len(os.fsencode(paths.socket)) <= 107
    assert paths.socket != find_paths({"TIERCHAT_HOME": str(home) + "y"}).socket


def test_a_runtime_directory_that_others_can_enter_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert not find_paths({"XDG_RUNTIME_DIR": str(tmp_path)}).socket.is_relative_to(tmp_path)
    tmp_path.chmod(0o700)
    assert find_paths({"XDG_RUNTIME_DIR": str(tmp_path)}).socket.is_relative_to(tmp_path)


def test_a_private_directory_is_made_private(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    make_private(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(0o755)
    make_private(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_file_in_its_place_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "run"
    file.write_text("mine")
    with pytest.raises(UnsafePath, match="run") as caught:
        make_private(file)
    assert "TIERCHAT_HOME" in caught.value.hint
    assert file.read_text() == "mine"


@pytest.mark.skipif(os.getuid() != 0, reason="needs to give a directory away")
def test_a_strangers_directory_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(UnsafePath, match="12345"):
        make_private(tmp_path)


def test_a_directory_of_the_system_is_never_closed_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: pytest.fail("it changed a mode"))
    with pytest.raises(UnsafePath):
        make_private(Path("/tmp"))
