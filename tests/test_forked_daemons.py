"""A daemon that is forked is to a test what one is that was started."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.conftest import UserHome


def test_a_forked_daemon_is_known_by_its_pid_and_tells_how_it_ended(home: UserHome) -> None:
    daemon = home.start_scripted()
    status = home.client.status()
    assert status and status.pid == daemon.pid and daemon.poll() is None
    assert os.getsid(daemon.pid) == daemon.pid
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.wait(0.01)
    daemon.terminate()
    assert daemon.wait(10) == daemon.poll() == 0
    second = home.start_scripted()
    assert second.pid != daemon.pid
    # Signals to one that has ended go nowhere.
    daemon.kill()
    second.kill()
    assert second.wait(10) == -signal.SIGKILL
