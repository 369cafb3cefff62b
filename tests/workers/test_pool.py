"""Workers kept, restarted, unloaded and quarantined; real children, some made to crash."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tierchat.config.catalogue import ModelSpec
from tierchat.errors import EngineCrashed, ModelCorrupt, TierchatError
from tierchat.models.verified_files import VerifiedFiles, hash_file
from tierchat.types import Message
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Delta, Generate, LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Launch, Starter
from tierchat.workers.status import WorkerStatus
from tierchat.workers.worker import Worker, WorkerDied

Use = Callable[[Pool], Awaitable[None]]

# A worker whose first decode dies like an AMX kernel on a machine without AMX, as long as the
# repacked buffer types that select such kernels are allowed.
DIES_AT_FIRST_DECODE = """
import os, signal, sys
from tierchat.workers.child import process as worker_process
from tierchat.engine.engine import Engine
from tierchat.workers.child.held_model import HeldModel

original = HeldModel.__init__

def start(self, order, on_progress):
    if order.use_extra_buffer_types:
        Engine.step = lambda engine: os.kill(os.getpid(), signal.SIGILL)
    original(self, order, on_progress)

HeldModel.__init__ = start
os._exit(worker_process.main(sys.argv))
"""
ALWAYS_DIES = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"


def launcher(tmp_path: Path, code: str) -> Launch:
    script = tmp_path / "child.py"
    script.write_text(code)
    return lambda order: Worker.start(order, command=(sys.executable, str(script)))


def run(spec: ModelSpec, tmp_path: Path, use: Use, launch: Launch = Worker.start) -> None:
    async def main() -> None:
        pool = Pool(
            {"pocket": spec},
            Starter(
                VerifiedFiles(tmp_path / "verified.json"),
                MachineQuirks(tmp_path / "machine.json"),
                launch=launch,
            ),
            keepalive_s=60,
        )
        try:
            await use(pool)
        finally:
            await pool.close()

    asyncio.run(main())


@pytest.fixture
def xs(models_dir: Path) -> ModelSpec:
    return ModelSpec(file=str(models_dir / "pocket-xs.gguf"))


async def ask(pool: Pool, text: str = "2+2") -> str:
    order = Generate(id=0, messages=(Message(role="user", content=text),))
    events = [event async for event in pool.generate("pocket", order)]
    return "".join(event.answer for event in events if isinstance(event, Delta))


def only(pool: Pool) -> WorkerStatus:
    (status,) = pool.status()
    return status


def test_a_model_is_loaded_by_the_first_prompt_and_kept(xs: ModelSpec, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        assert only(pool).state == "stopped"
        assert await ask(pool) == "4"
        first = only(pool)
        assert first.state == "ready" and first.expires_in_s and first.expires_in_s > 50
        assert first.rss_bytes and first.rss_bytes > 1_000_000
        await ask(pool)
        assert only(pool).pid == first.pid

    run(xs, tmp_path, use)


def test_prompts_that_arrive_together_load_the_model_once(xs: ModelSpec, tmp_path: Path) -> None:
    orders: list[LoadModel] = []

    async def launch(order: LoadModel) -> Worker:
        orders.append(order)
        return await Worker.start(order)

    async def use(pool: Pool) -> None:
        assert await asyncio.gather(*(ask(pool) for _ in range(5))) == ["4"] * 5

    run(xs, tmp_path, use, launch)
    assert len(orders) == 1


def test_a_killed_worker_costs_one_answer(xs: ModelSpec, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await ask(pool)
        pid = only(pool).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            # The death may be noticed before or while the prompt is sent.
            await ask(pool)
            raise WorkerDied("it was noticed in time and replaced")
        assert await ask(pool) == "4"
        assert only(pool).pid != pid

    run(xs, tmp_path, use)


def test_a_death_under_many_prompts_counts_once(models_dir: Path, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await ask(pool)
        tasks = [asyncio.create_task(ask(pool, "What is 123*45?")) for _ in range(6)]
        await asyncio.sleep(0.01)
        pid = only(pool).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert only(pool).num_crashes <= 1
        assert await ask(pool)

    run(ModelSpec(file=str(models_dir / "pocket-s.gguf")), tmp_path, use)


def test_an_illegal_instruction_at_the_first_decode_heals_and_is_remembered(
    xs: ModelSpec, tmp_path: Path
) -> None:
    launch = launcher(tmp_path, DIES_AT_FIRST_DECODE)

    async def use(pool: Pool) -> None:
        assert await ask(pool) == "4"
        # The build is at fault, not the model.
        assert only(pool).num_crashes == 0

    run(xs, tmp_path, use, launch)
    assert not MachineQuirks(tmp_path / "machine.json").uses_extra_buffer_types

    async def use_again(pool: Pool) -> None:
        assert await ask(pool) == "4"
        assert only(pool).num_crashes == 0

    run(xs, tmp_path, use_again, launch)


def test_three_crashes_quarantine_the_model_with_the_reason(xs: ModelSpec, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        for _ in range(3):
            with pytest.raises(EngineCrashed):
                await ask(pool)
        with pytest.raises(EngineCrashed, match=r"3 crashes within 5 minutes.*SIGTERM"):
            await ask(pool)
        status = only(pool)
        assert status.state == "quarantined" and "SIGTERM" in status.reason

    run(xs, tmp_path, use, launcher(tmp_path, ALWAYS_DIES))


def test_a_file_with_another_hash_never_reaches_llama_cpp(models_dir: Path, tmp_path: Path) -> None:
    original = models_dir / "pocket-xs.gguf"
    copy = tmp_path / "copy.gguf"
    shutil.copy(original, copy)
    spec = ModelSpec(file=str(copy), sha256=hash_file(original))

    async def launch(_order: LoadModel) -> Worker:
        raise AssertionError("it must not be started")

    async def fine(pool: Pool) -> None:
        assert await ask(pool) == "4"

    async def refused(pool: Pool) -> None:
        with pytest.raises(ModelCorrupt, match="sha256"):
            await ask(pool)

    run(spec, tmp_path, fine)
    with copy.open("r+b") as file:
        file.seek(200_000)
        file.write(b"\xff" * 16)
    run(spec, tmp_path, refused, launch)


@pytest.mark.parametrize("seed", range(6))
def test_a_mutated_file_ends_the_worker_at_most(
    models_dir: Path, tmp_path: Path, seed: int
) -> None:
    import random

    rng = random.Random(seed)
    data = bytearray((models_dir / "pocket-xs.gguf").read_bytes())
    for _ in range(8):
        place = rng.randrange(0, 30_000)
        data[place : place + 8] = rng.choice((b"\xff" * 8, rng.randbytes(8)))
    path = tmp_path / "mutated.gguf"
    path.write_bytes(data)

    async def use(pool: Pool) -> None:
        try:
            await asyncio.wait_for(ask(pool), 20)
        except TierchatError as error:
            assert error.message and error.hint

    run(ModelSpec(file=str(path)), tmp_path, use)


def test_keepalive_zero_unloads_after_the_answer(xs: ModelSpec, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await ask(pool)
        pid = only(pool).pid
        pool.keep(["pocket"], 0)
        for _ in range(200):
            await asyncio.sleep(0.01)
            if only(pool).state == "stopped":
                break
        assert only(pool).state == "stopped"
        assert not Path(f"/proc/{pid}").exists()
        assert await ask(pool) == "4"

    run(xs, tmp_path, use)


def test_a_negative_keepalive_never_expires(xs: ModelSpec, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await ask(pool)
        pool.keep(["pocket"], -1)
        assert only(pool).state == "ready" and only(pool).expires_in_s is None

    run(xs, tmp_path, use)


def test_a_busy_model_is_never_unloaded(models_dir: Path, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await ask(pool)
        task = asyncio.create_task(ask(pool, "What is 123*45?"))
        await asyncio.sleep(0)
        pool.keep(["pocket"], 0)
        assert await task == "5535"

    run(ModelSpec(file=str(models_dir / "pocket-s.gguf")), tmp_path, use)
