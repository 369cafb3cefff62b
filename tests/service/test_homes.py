"""One home, one daemon: homes told apart and found again, by commands as users run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import UserHome, wait_until
from tests.trapping import quirks_here
from tierchat.paths import find_paths
from tierchat.process_lock import ProcessLock


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        yield Path(directory)


def run(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the user whose directory this is, without a TIERCHAT_HOME."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "TIERCHAT_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "tierchat", *arguments],
        env={**kept, "HOME": str(home), "NO_COLOR": "1", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def pid(found: subprocess.CompletedProcess[str]) -> int:
    return int(json.loads(found.stdout)["pid"])


@pytest.mark.slow
def test_homes_without_a_runtime_directory_have_a_daemon_each(short: Path) -> None:
    one, two = short / "one", short / "two"
    (short / "runtime").mkdir(mode=0o700)
    for home in (one, two):
        home.mkdir()
        run(home, "daemon", "up")
    try:
        status = ("daemon", "status", "--json")
        first = pid(run(one, *status))
        assert first != pid(run(two, *status))
        assert first == pid(run(one, *status, XDG_RUNTIME_DIR=str(short / "runtime")))
        assert first == pid(run(one, *status, TMPDIR=str(short / "runtime")))
        other = run(one, "ask", "2+2", XDG_DATA_HOME=str(two / ".local" / "share"))
        assert other.returncode == 5 and "works for another home" in other.stderr
        assert f"kill {first}" in other.stderr
        writer = run(one, "ask", "2+2", XDG_STATE_HOME=str(short / "state"))
        assert writer.returncode == 5 and "written by the daemon of another home" in writer.stderr
        said, hint, *more = writer.stderr.splitlines()
        assert "hint" not in said and f"hint: end that daemon with `kill {first}`" in hint
        # Nothing of what the log said of the first attempt.
        writer = run(one, "ask", "2+2", XDG_STATE_HOME=str(short / "state"))
        assert (writer.stderr.splitlines(), more) == ([said, hint], [])
        assert first == pid(run(one, *status))
    finally:
        assert all(run(home, "daemon", "down").stdout == "stopped\n" for home in (one, two))


@pytest.mark.slow
def test_a_home_whose_name_is_no_text_works(short: Path, models_dir: Path) -> None:
    home = UserHome(short / os.fsdecode(b"caf\xe9"))
    home.paths.config_dir.mkdir(parents=True)
    shutil.copy(models_dir / "pocket-s.gguf", home.paths.config_dir / "mine.gguf")
    home.paths.models_file.write_text(
        '[models.mine]\nfile = "mine.gguf"\n'
        '[cascades.mine]\ntiers = [{ name = "S", model = "mine" }]\n'
    )
    quirks_here(home.paths.machine_file)
    try:
        assert home.run("ask", "-m", "mine", "2+2").stdout == b"4\n"
        assert home.run("ps").returncode == 0
        paths = json.loads(home.run("paths", "--json").stdout)
        assert paths["data"].endswith("caf\\xe9/data")
        assert json.loads(home.run("daemon", "status", "--json").stdout)["socket"].endswith(".sock")
    finally:
        home.close()


def test_a_daemon_of_this_home_on_another_machine_is_told(home: UserHome) -> None:
    home.paths.state_dir.mkdir(parents=True, mode=0o700)
    lock = ProcessLock(home.paths.daemon_lock)
    assert lock.take()
    home.paths.daemon_lock.write_text("4711 node17\n")
    found = home.run("ask", "2+2")
    assert found.returncode == 5
    assert b"runs on another machine (PID 4711 on node17)" in found.stderr


@pytest.mark.slow
def test_a_daemon_whose_socket_was_deleted_is_told(home: UserHome) -> None:
    daemon = home.start_scripted()
    home.paths.socket.unlink()
    found = home.run("ask", "2+2")
    assert found.returncode == 5
    said = found.stderr.decode()
    assert f"the daemon (PID {daemon.pid}) runs, but its socket" in said
    assert f"kill {daemon.pid}" in said


def test_a_lock_names_its_holder(short: Path) -> None:
    first, second = ProcessLock(short / "lock"), ProcessLock(short / "lock")
    assert first.take() and not second.take()
    assert str(second.holder()) == f"PID {os.getpid()}"


def test_a_command_stopped_while_it_starts_the_daemon_holds_nobody_up_for_ever(
    home: UserHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tierchat.errors import DaemonUnreachable
    from tierchat.service import daemon_start

    monkeypatch.setattr(daemon_start, "_START_S", 0.2)
    paths = find_paths(home.env)
    paths.state_dir.mkdir(parents=True, mode=0o700)
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.flock(file, 2); "
        "print('4711', file=file, flush=True); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(paths.start_lock)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        wait_until(lambda: other.stdout.readline() == b"held\n")  # type: ignore[union-attr]
        with pytest.raises(DaemonUnreachable, match=r"another command \(PID 4711\)"):
            daemon_start.ensure_running(paths)
        other.kill()
