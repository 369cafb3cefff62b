"""Model files damaged before they are loaded, and under a worker that has them loaded."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tierchat.config.catalogue import ModelSpec
from tierchat.errors import ModelCorrupt
from tierchat.models.file_stamp import FileStamp
from tierchat.models.verified_files import VerifiedFiles, hash_file
from tierchat.types import Message
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Delta, Generate, LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Starter
from tierchat.workers.worker import Worker, WorkerDied

Use = Callable[[Pool], Awaitable[None]]


class Site:
    """A model file of its own, a pool with real workers, and every child it started."""

    def __init__(self, directory: Path, model: Path) -> None:
        self.file = directory / "model.gguf"
        shutil.copy(model, self.file)
        self.directory = directory
        self.num_started = 0

    def run(self, use: Use, sha256: str | None = None) -> None:
        async def main() -> None:
            pool = Pool(
                {"pocket": ModelSpec(file=str(self.file), sha256=sha256)},
                Starter(
                    VerifiedFiles(self.directory / "verified.json"),
                    MachineQuirks(self.directory / "machine.json"),
                    launch=self._launch,
                ),
                keepalive_s=60,
            )
            try:
                await asyncio.wait_for(use(pool), 60)
            finally:
                await pool.close()

        asyncio.run(main())

    async def _launch(self, order: LoadModel) -> Worker:
        self.num_started += 1
        return await Worker.start(order)


@pytest.fixture
def site(tmp_path: Path, models_dir: Path) -> Site:
    return Site(tmp_path, models_dir / "pocket-xs.gguf")


async def ask(pool: Pool, text: str = "2+2") -> str:
    order = Generate(id=0, messages=(Message(role="user", content=text),))
    events = [event async for event in pool.generate("pocket", order)]
    return "".join(event.answer for event in events if isinstance(event, Delta))


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_broken_header_is_refused_before_a_child_is_started(site: Site) -> None:
    os.truncate(site.file, 100_000)

    async def use(pool: Pool) -> None:
        for _ in range(5):
            with pytest.raises(ModelCorrupt, match="bytes are missing") as caught:
                await ask(pool)
            assert "fetch it again" in caught.value.hint
        (status,) = pool.status()
        assert status.num_crashes == 0 and status.state == "stopped"

    site.run(use)
    assert site.num_started == 0


def test_a_repaired_file_is_loaded_by_the_next_prompt(site: Site, models_dir: Path) -> None:
    os.truncate(site.file, 100_000)

    async def use(pool: Pool) -> None:
        with pytest.raises(ModelCorrupt):
            await ask(pool)
        shutil.copy(models_dir / "pocket-xs.gguf", site.file)
        assert await ask(pool) == "4"

    site.run(use)


def test_a_file_written_to_while_loaded_is_loaded_afresh(site: Site, models_dir: Path) -> None:
    async def use(pool: Pool) -> None:
        assert await ask(pool) == "4"
        (before,) = pool.status()
        shutil.copy(models_dir / "pocket-s.gguf", site.file)
        assert await ask(pool) == "4"
        (after,) = pool.status()
        assert after.pid != before.pid and after.num_crashes == 0
        assert after.size_bytes and before.size_bytes and after.size_bytes > before.size_bytes
        assert not Path(f"/proc/{before.pid}").exists()
        # Nothing has changed since: the new worker is kept.
        await ask(pool)
        assert pool.status()[0].pid == after.pid

    site.run(use)
    assert site.num_started == 2


def test_a_file_spoilt_while_loaded_is_refused_by_its_hash(site: Site) -> None:
    async def use(pool: Pool) -> None:
        assert await ask(pool) == "4"
        overwrite(site.file, 300_000, b"\xff" * 64)
        for _ in range(2):
            with pytest.raises(ModelCorrupt, match="sha256"):
                await ask(pool)
        assert pool.status()[0].state == "stopped"

    site.run(use, hash_file(site.file))
    assert site.num_started == 1


async def begin(pool: Pool) -> tuple[int, asyncio.Task[str]]:
    """Ask a worker that is stopped until somebody continues it; returns its pid too."""
    await pool.load("pocket")
    pid = pool.status()[0].pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    task = asyncio.create_task(ask(pool))
    # Sent and waiting, long before this is over.
    await asyncio.sleep(0.1)
    return pid, task


@pytest.mark.slow
def test_whoever_is_answered_while_the_file_is_reloaded_gets_an_error(site: Site) -> None:
    async def use(pool: Pool) -> None:
        _, earlier = await begin(pool)
        os.utime(site.file)
        assert await asyncio.wait_for(ask(pool), 20) == "4"
        with pytest.raises(WorkerDied):
            await earlier
        assert pool.status()[0].num_crashes == 0
        assert await ask(pool) == "4"

    site.run(use)
    assert site.num_started == 2


def test_a_file_replaced_by_renaming_serves_on_and_is_new_at_the_next_load(
    site: Site, models_dir: Path
) -> None:
    async def use(pool: Pool) -> None:
        assert await ask(pool) == "4"
        (before,) = pool.status()
        newer = site.directory / "newer.gguf"
        shutil.copy(models_dir / "pocket-s.gguf", newer)
        newer.replace(site.file)
        assert await ask(pool) == "4"
        assert pool.status()[0].pid == before.pid
        pool.keep(["pocket"], 0)
        while pool.status()[0].state != "stopped":
            await asyncio.sleep(0.01)
        assert await ask(pool) == "4"
        (after,) = pool.status()
        assert after.size_bytes and before.size_bytes and after.size_bytes > before.size_bytes

    site.run(use)


def test_a_file_removed_while_loaded_serves_on(site: Site) -> None:
    async def use(pool: Pool) -> None:
        assert await ask(pool) == "4"
        site.file.unlink()
        assert await ask(pool) == "4"

    site.run(use)
    assert site.num_started == 1


def test_a_file_cut_off_while_loaded_costs_no_restarts(site: Site) -> None:
    async def use(pool: Pool) -> None:
        assert await ask(pool) == "4"
        os.truncate(site.file, 50_000)
        for _ in range(5):
            with pytest.raises(ModelCorrupt, match="bytes are missing"):
                await ask(pool)

    site.run(use)
    assert site.num_started == 1


def test_a_worker_that_dies_of_a_cut_off_file_costs_one_answer_and_no_restarts(site: Site) -> None:
    async def use(pool: Pool) -> None:
        pid, answer = await begin(pool)
        os.truncate(site.file, 50_000)
        # What reading a mapped page that is gone does.
        os.kill(pid, signal.SIGBUS)
        os.kill(pid, signal.SIGCONT)
        with pytest.raises(WorkerDied, match="SIGBUS") as caught:
            await answer
        assert caught.value.signal_number == signal.SIGBUS
        for _ in range(5):
            with pytest.raises(ModelCorrupt, match="bytes are missing"):
                await ask(pool)
        assert pool.status()[0].num_crashes == 1

    site.run(use)
    assert site.num_started == 1


def test_a_file_cut_off_under_an_answer_costs_that_answer_at_most(site: Site) -> None:
    """A worker that has its own copy of the weights finishes; one that mapped them cannot."""

    async def use(pool: Pool) -> None:
        pid, answer = await begin(pool)
        os.truncate(site.file, 50_000)
        os.kill(pid, signal.SIGCONT)
        (found,) = await asyncio.gather(answer, return_exceptions=True)
        assert found == "4" or isinstance(found, WorkerDied)
        with pytest.raises(ModelCorrupt, match="bytes are missing"):
            await ask(pool)

    site.run(use)
    assert site.num_started == 1


def test_a_stamp_tells_writing_from_replacing(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    assert FileStamp.of(path) is None
    path.write_text("one")
    stamp = FileStamp.of(path)
    assert stamp and not stamp.is_overwritten(path)
    path.chmod(0o600)
    os.link(path, tmp_path / "link")
    assert FileStamp.of(path) == stamp
    os.utime(path, ns=(0, stamp.modified_ns + 1))
    assert stamp.is_overwritten(path)
    other.write_text("another")
    other.replace(path)
    assert not stamp.is_overwritten(path)
    path.unlink()
    assert not stamp.is_overwritten(path)
