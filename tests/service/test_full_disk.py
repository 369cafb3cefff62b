"""A disk without a free byte: prompts are answered, and a daemon that fails says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_pull import small_disk
from tests.conftest import UserHome
from tierchat.errors import DaemonUnreachable
from tierchat.service.daemon_start import ensure_running


@pytest.mark.slow
def test_the_first_start_on_a_full_disk_answers(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k"):
        fill = tmp_path / "disk" / "fill"
        subprocess.run(["dd", "if=/dev/zero", f"of={fill}", "bs=1k", "count=99"], check=False,
                       capture_output=True)  # fmt: skip
        home = UserHome(tmp_path / "disk" / "h")
        try:
            found = home.run("ask", "2+2")
            assert (found.returncode, found.stdout) == (0, b"4\n")
            assert b"not saved" in found.stderr and b"full" in found.stderr
            assert home.run("ps").returncode == 0
        finally:
            home.close()


def test_a_daemon_that_ends_in_silence_is_told_with_its_code(
    home: UserHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERCHAT_HOME", str(home.directory))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DaemonUnreachable, match="it ended with code 1 and wrote nothing"):
        ensure_running(home.paths)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    with pytest.raises(DaemonUnreachable, match=r"the disk of .* is full"):
        ensure_running(home.paths)
