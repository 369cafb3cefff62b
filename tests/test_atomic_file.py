"""A file is replaced whole or not at all, and no change of another process is lost."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tierchat import atomic_file
from tierchat.atomic_file import changing, locked, replace_file, write_quietly


def test_a_replaced_file_is_for_the_owner_alone_and_leaves_nothing_beside(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    replace_file(file, b"old")
    replace_file(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside(tmp_path: Path) -> None:
    directory = tmp_path / "memory.json"
    (directory / "inside").mkdir(parents=True)
    with pytest.raises(OSError):
        replace_file(directory, b"new")
    write_quietly(directory, b"new")
    write_quietly(tmp_path / "no" / "such" / "directory", b"new")
    assert list(tmp_path.iterdir()) == [directory]


def test_threads_that_change_a_file_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "count"
    replace_file(file, b"0")

    def count() -> None:
        for _ in range(10):
            with changing(file):
                replace_file(file, str(int(file.read_bytes()) + 1).encode())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_bytes() == b"40"
    assert list(tmp_path.iterdir()) == [file]


def test_a_lock_that_is_never_released_ends_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_file, "_MAX_WAIT_S", 0.2)
    file = tmp_path / "memory.json"
    begun_s = time.monotonic()
    with (
        locked(file, lambda: None),
        pytest.raises(TimeoutError, match="held its lock"),
        changing(file),
    ):
        raise AssertionError("two have the lock")
    assert time.monotonic() - begun_s < 5


def test_a_lock_file_of_a_process_that_died_keeps_nobody_waiting(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    (tmp_path / "memory.json.lock").touch()
    with changing(file):
        assert os.path.exists(f"{file}.lock")
    assert not list(tmp_path.iterdir())
