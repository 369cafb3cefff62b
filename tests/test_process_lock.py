"""A lock that a process holds until it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import UserHome
from tierchat.errors import LessonRunning
from tierchat.learning.training.lesson_lock import one_lesson, teacher
from tierchat.process_lock import ProcessLock, read_holder


def test_the_holder_is_told_with_its_time_and_work(tmp_path: Path) -> None:
    file = tmp_path / "x.lock"
    lock, other = ProcessLock(file), ProcessLock(file)
    assert lock.take("teaches pocket") and not other.take()
    holder = other.holder()
    assert holder.pid == str(os.getpid()) and holder.note == "teaches pocket"
    assert abs(holder.since - time.time()) < 5 and not holder.is_elsewhere
    assert read_holder(file) == holder
    lock.release()
    assert other.take() and other.holder().note == ""


def test_a_killed_lesson_leaves_no_lock(home: UserHome) -> None:
    script = (
        "import sys, time\n"
        "from tierchat.config.home import Home\n"
        "from tierchat.learning.training.lesson_lock import one_lesson\n"
        "with one_lesson(Home.of_process().paths, 'pocket'):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], env=home.env, stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline() == b"held\n"
    with (
        pytest.raises(LessonRunning, match=rf"another process \(PID {child.pid}, since 20"),
        one_lesson(home.paths, "pocket"),
    ):
        pass
    with one_lesson(home.paths, "another"):
        pass
    child.kill()
    child.wait()
    child.stdout.close()
    assert teacher(home.paths, "pocket") is None
    with one_lesson(home.paths, "pocket"):
        assert teacher(home.paths, "pocket")
