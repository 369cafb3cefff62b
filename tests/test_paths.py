"""Where files are, and which users can enter their directories."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import tierchat
from tierchat.errors import UnsafePath
from tierchat.paths import find_paths, make_private, shown


def test_one_variable_puts_everything_below_one_directory(tmp_path: Path) -> None:
    paths = find_paths({"TIERCHAT_HOME": str(tmp_path)})
    for place in (paths.config_file, paths.models_file, paths.socket, paths.daemon_log):
        assert place.is_relative_to(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_long_home_gets_a_short_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ("x" * 120)
    paths = find_paths({"TIERCHAT_HOME": str(home)})
    assert len(os.fsencode(paths.socket)) <= 103
    assert paths.socket != find_paths({"TIERCHAT_HOME": str(home) + "y"}).socket
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert paths.socket == find_paths({"TIERCHAT_HOME": str(home)}).socket


def test_the_socket_and_the_locks_belong_to_the_home_whatever_else_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def places(home: str, runtime: str | None) -> tuple[Path, ...]:
        env = {"HOME": str(tmp_path / home)} | ({"XDG_RUNTIME_DIR": runtime} if runtime else {})
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        found = find_paths(env)
        return found.socket, found.daemon_lock, found.start_lock, found.writer_lock

    tmp_path.chmod(0o700)
    assert places("one", None) == places("one", str(tmp_path))
    assert not set(places("one", None)) & set(places("two", None))


@pytest.mark.parametrize("name", ["home", "h" * 120])
def test_a_link_to_a_home_is_the_same_home(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / name)
    one, two = (find_paths({"TIERCHAT_HOME": str(tmp_path / n)}) for n in (name, "link"))
    assert one.socket == two.socket and one.home_id == two.home_id


def test_a_name_that_is_no_text_can_be_shown_and_sent() -> None:
    paths = find_paths({"TIERCHAT_HOME": "/tmp/caf\udce9"})
    assert shown(paths.data_dir) == "/tmp/caf\\xe9/data"
    assert bytes.fromhex(paths.home_id).startswith(b"/tmp/caf\xe9/config\0")


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


def test_a_shared_directory_is_never_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setattr(Path, "chmod", lambda *_: pytest.fail("it changed a mode"))
    for place in (tmp_path, tmp_path / "link"):
        with pytest.raises(UnsafePath, match="of the system"):
            make_private(place)


def test_parents_are_made_private_too_and_those_that_stand_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    make_private(tmp_path / "there" / "a" / "b")
    modes = [stat.S_IMODE((tmp_path / d).stat().st_mode) for d in ("there", "there/a", "there/a/b")]
    assert modes == [0o755, 0o700, 0o700]


def test_a_directory_of_ours_that_we_cannot_write_is_opened_to_us(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o500)
    make_private(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="needs to give a link away")
def test_a_strangers_link_to_our_own_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir(mode=0o755)
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "ours")
    os.lchown(link, 12345, 12345)
    with pytest.raises(UnsafePath, match="12345"):
        make_private(link)
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == 0o755


def test_a_place_where_nothing_can_be_written_is_told() -> None:
    with pytest.raises(UnsafePath, match="cannot write /proc/nothing/here: "):
        make_private(Path("/proc/nothing/here"))


def test_without_any_home_it_says_what_to_set() -> None:
    # As an unknown user id, in a process of its own.
    script = (
        "import pwd\n"
        "pwd.getpwuid = lambda _: {}[0]\n"
        "from tierchat.errors import UnsafePath\n"
        "from tierchat.paths import find_paths\n"
        "try: find_paths({})\n"
        "except UnsafePath as error: print(error.message, '|', error.hint)\n"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(tierchat.__file__).parent.parent)}
    found = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True)
    assert b"HOME is not set | set TIERCHAT_HOME" in found.stdout


def test_finding_the_paths_loads_platformdirs_only_without_a_home_of_ours(tmp_path: Path) -> None:
    script = (
        "import sys, os\n"
        "from tierchat.paths import find_paths\n"
        "find_paths(os.environ)\n"
        "print({'platformdirs', 'tempfile', 'hashlib'} & set(sys.modules))\n"
    )
    env = {**os.environ, "TIERCHAT_HOME": str(tmp_path / "h")[-60:]}
    found = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True)
    assert found.stdout == b"set()\n"
