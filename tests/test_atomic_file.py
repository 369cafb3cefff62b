"""A file is replaced whole or not at all, and no change of another process is lost."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tierchat import atomic_file
from tierchat.atomic_file import changing, changing_for_user, locked, replace_file, write_quietly
from tierchat.errors import UnsafePath


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


def test_a_lock_that_is_never_released_ends_the_wait(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    begun_s = time.monotonic()
    with (
        locked(file, lambda: None),
        pytest.raises(TimeoutError, match="held its lock"),
        changing(file, max_wait_s=0.2),
    ):
        raise AssertionError("two have the lock")
    assert time.monotonic() - begun_s < 5


def test_a_lock_file_of_a_process_that_died_keeps_nobody_waiting(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    (tmp_path / "memory.json.lock").touch()
    with changing(file):
        assert os.path.exists(f"{file}.lock")
    assert not list(tmp_path.iterdir())


def test_a_lock_file_that_cannot_be_removed_hides_no_error_and_keeps_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "memory.json"
    num_open = len(os.listdir("/dev/fd"))

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ValueError, match="of the body"), changing(file):
        raise ValueError("of the body")
    assert len(os.listdir("/dev/fd")) == num_open
    with changing(file, max_wait_s=0):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    file = tmp_path / "memory.json"
    with changing(file):
        replace_file(file, b"new")
    assert file.read_bytes() == b"new" and list(tmp_path.iterdir()) == [file]


def test_a_lock_that_fails_for_another_reason_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int, operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    num_open = len(os.listdir("/dev/fd"))
    with pytest.raises(OSError, match="Input/output"), changing(tmp_path / "memory.json"):
        raise AssertionError("there is no lock")
    assert len(os.listdir("/dev/fd")) == num_open


def test_a_file_is_on_the_disk_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def spied_fsync(fd: int) -> None:
        steps.append(f"fsync of {os.fstat(fd).st_size} bytes")
        fsync(fd)

    def spied_replace(source: Path, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spied_fsync)
    monkeypatch.setattr(os, "replace", spied_replace)
    replace_file(tmp_path / "memory.json", b"four")
    assert steps == ["fsync of 4 bytes", "replace"]


def test_what_a_killed_writer_left_is_removed_and_a_running_one_is_left_alone(
    tmp_path: Path,
) -> None:
    file = tmp_path / "memory.json"
    script = (
        "import os, signal, sys, pathlib; from tierchat.atomic_file import replace_file;"
        "os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL);"
        "replace_file(pathlib.Path(sys.argv[1]), b'killed')"
    )
    subprocess.run([sys.executable, "-c", script, file], check=False)
    (left,) = tmp_path.iterdir()
    others = {
        tmp_path / f"memory.json.{os.getpid()}.1.part",
        tmp_path / "memory.json.part",
        left.with_name(left.name.replace("memory", "other")),
    }
    for other in others:
        other.touch()
    replace_file(file, b"new")
    assert set(tmp_path.iterdir()) == {file, *others}


def test_a_file_of_the_user_that_stays_locked_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gate.json"
    monkeypatch.setattr(atomic_file, "changing", lambda path: changing(path, max_wait_s=0.1))
    with (
        locked(file, lambda: None),
        pytest.raises(UnsafePath, match=r"gate\.json: another process has held") as caught,
        changing_for_user(file),
    ):
        raise AssertionError("two have the lock")
    assert "gate.json.lock" in caught.value.hint


@pytest.mark.parametrize("name", ["gate.json", "gate.json.lock"])
def test_a_directory_in_place_of_a_file_of_the_user_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / "gate.json"
    (tmp_path / name / "inside").mkdir(parents=True)
    with (
        pytest.raises(UnsafePath, match=r"gate\.json: Is a directory") as caught,
        changing_for_user(file),
    ):
        replace_file(file, b"new")
    assert caught.value.hint == f"remove the directory {tmp_path / name}"


def test_a_directory_that_cannot_be_made_for_a_file_of_the_user_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UnsafePath, match="cannot write"),
        changing_for_user(tmp_path / "file" / "gates" / "gate.json"),
    ):
        raise AssertionError("there is no such directory")
    with changing_for_user(tmp_path / "new" / "gate.json"):
        replace_file(tmp_path / "new" / "gate.json", b"new")
