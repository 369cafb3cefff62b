"""Cells on disk: once each, and there after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tierchat.errors import ConfigError
from tierchat.learning.outcomes.store import OutcomeStore, open_store


def test_a_cell_is_written_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "o.sqlite") as store:
        store.save([(b"a", b"1"), (b"b", b"2")])
        store.save([(b"a", b"other")])
        assert store.load([b"a", b"b", b"c"]) == {b"a": b"1", b"b": b"2"}
        assert store.count() == 2


@pytest.mark.parametrize("is_old", [False, True])
def test_the_file_is_for_the_owner_alone(tmp_path: Path, is_old: bool) -> None:
    path, before = tmp_path / "o.sqlite", os.umask(0o022)
    try:
        if is_old:
            path.touch(0o644)
        with open_store(path) as store:
            store.save([(b"a", b"1")])
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}, modes


def test_many_keys_at_once(tmp_path: Path) -> None:
    cells = [(str(i).encode(), b"x") for i in range(2_345)]
    with open_store(tmp_path / "o.sqlite") as store:
        store.save(cells)
        assert store.load(key for key, _ in cells) == dict(cells)


def test_what_was_saved_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from tierchat.learning.outcomes.store import OutcomeStore\n"
        "store = OutcomeStore(Path(sys.argv[1]))\n"
        "for i in range(10_000):\n"
        "    store.save([(str(i).encode(), b'x')])\n"
        "    print(i, flush=True)\n"
    )
    path = tmp_path / "o.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    for _ in range(50):
        last = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    rest = [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    child.stdout.close()
    last = max([last, *rest])
    with open_store(path) as store:
        assert store.count() in (last + 1, last + 2)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "o.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(ConfigError, match="cannot use"):
        OutcomeStore(tmp_path / "o.sqlite")


def test_a_file_that_is_damaged_within_is_named(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    cells = [(os.urandom(20), os.urandom(500)) for _ in range(400)]
    with open_store(path) as store:
        store.save(cells)
    raw = path.read_bytes()
    path.write_bytes(raw[:8_192] + os.urandom(len(raw) - 8_192))
    with open_store(path) as store:
        with pytest.raises(ConfigError, match=r"cannot use .*o\.sqlite.*malformed") as told:
            store.load(key for key, _ in cells)
        assert "move it away" in told.value.hint


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    with open_store(path) as store:
        store._db.execute("PRAGMA max_page_count = 8")
        with pytest.raises(ConfigError, match="is full") as told:
            store.save((bytes([n]), os.urandom(3_000)) for n in range(99))
        assert "disk is not full" in told.value.hint
        assert store.count() == 0
