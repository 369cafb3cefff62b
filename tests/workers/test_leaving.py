"""Workers that end while somebody gives up, reloads or closes: no child and no memory is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.errors import DoesNotFit, EngineCrashed, TierchatError
from tierchat.models.placement.cascade_plans import CascadePlans
from tierchat.models.placement.hardware import Machine
from tierchat.models.verified_files import VerifiedFiles
from tierchat.types import Message
from tierchat.workers import eviction
from tierchat.workers.crashes import Crashes
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Generate, LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Launch, Starter
from tierchat.workers.worker import Worker, WorkerDied

GIB = 1 << 30
HELLO = Generate(id=0, messages=(Message(role="user", content="hello"),))


def catalogue(models_dir: Path, **files: str) -> Catalogue:
    """Models by name, each one of the bundled files, in one cascade.

    No two share a worker: their numbers of layers on a GPU differ, which are all of them.
    """
    return Catalogue(
        models={
            name: ModelSpec(file=str(models_dir / file), gpu_layers=100 + number)
            for number, (name, file) in enumerate(files.items())
        },
        cascades={"home": CascadeSpec(tiers=tuple(TierSpec(name=n, model=n) for n in files))},
    )


def plans(found: Catalogue, free_bytes: Callable[[], int]) -> CascadePlans:
    def look() -> Machine:
        return Machine(ram_total_bytes=1 << 50, ram_free_bytes=free_bytes() + GIB)

    return CascadePlans(found, "home", look)


def need(found: Catalogue) -> int:
    """Return the bytes that all models of a catalogue take together."""
    planned = plans(found, lambda: 10 * GIB).of_cascade("home").models
    return sum(each.ram_bytes for each in planned)


def run(
    found: Catalogue,
    tmp_path: Path,
    use: Callable[[Pool], Awaitable[None]],
    *,
    free_bytes: Callable[[], int] | None = None,
    launch: Launch = Worker.start,
) -> None:
    async def main() -> None:
        files = VerifiedFiles(tmp_path / "v.json")
        starter = Starter(files, MachineQuirks(tmp_path / "m.json"), launch=launch)
        planned = plans(found, free_bytes) if free_bytes else None
        pool = Pool(found.models, starter, keepalive_s=60, plans=planned)
        try:
            await asyncio.wait_for(use(pool), 30)
        finally:
            await pool.close()

    asyncio.run(main())


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()


async def gone(pid: int) -> None:
    while is_there(pid):
        await asyncio.sleep(0.01)


async def given_up(task: asyncio.Task[object]) -> None:
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_frozen_child_is_killed_even_if_the_one_who_unloads_it_gives_up(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        pid = (await pool.load("a")).pid
        os.kill(pid, signal.SIGSTOP)
        await given_up(asyncio.create_task(pool.unload("a")))
        # Its memory counts until it is really free.
        assert is_there(pid)
        await gone(pid)
        assert (await pool.load("a")).pid != pid

    run(catalogue(models_dir, a="pocket-xs.gguf"), tmp_path, use)


def test_a_prompt_that_gives_up_while_it_makes_room_leaves_no_child(
    models_dir: Path, tmp_path: Path
) -> None:
    found = catalogue(models_dir, xs="pocket-xs.gguf", s="pocket-s.gguf", m="pocket-m.gguf")
    both = catalogue(models_dir, xs="pocket-xs.gguf", m="pocket-m.gguf")
    room = need(both) + (8 << 20)

    async def use(pool: Pool) -> None:
        pid = (await pool.load("s")).pid
        os.kill(pid, signal.SIGSTOP)
        await given_up(asyncio.create_task(pool.load("m")))
        await gone(pid)

    run(found, tmp_path, use, free_bytes=lambda: room)


def test_closing_ends_a_worker_that_is_being_started(models_dir: Path, tmp_path: Path) -> None:
    started: list[int] = []

    async def slow(order: LoadModel) -> Worker:
        worker = await Worker.start(order)
        started.append(worker.pid)
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            await worker.stop()
            raise
        return worker

    async def use(pool: Pool) -> None:
        loading = asyncio.create_task(pool.load("a"))
        while not started:
            await asyncio.sleep(0.01)
        await pool.close()
        with pytest.raises(EngineCrashed, match="stopping"):
            await loading
        assert not is_there(started[0])

    run(catalogue(models_dir, a="pocket-xs.gguf"), tmp_path, use, launch=slow)


def test_a_reload_that_is_given_up_still_ends_what_it_retired(
    models_dir: Path, tmp_path: Path
) -> None:
    async def slow(order: LoadModel) -> Worker:
        await asyncio.sleep(0.4)
        return await Worker.start(order)

    async def use(pool: Pool) -> None:
        ahead = asyncio.create_task(pool.load_ahead("a"))
        await asyncio.sleep(0.1)
        await given_up(asyncio.create_task(pool.replace({}, None)))
        await asyncio.gather(ahead, return_exceptions=True)
        while pool._retired:
            await asyncio.sleep(0.01)

    run(catalogue(models_dir, a="pocket-xs.gguf"), tmp_path, use, launch=slow)


def test_memory_of_a_replaced_model_that_still_answers_is_not_given_away(
    models_dir: Path, tmp_path: Path
) -> None:
    before = catalogue(models_dir, a="pocket-m.gguf")
    after = catalogue(models_dir, b="pocket-m.gguf")
    total, taken = need(before) * 3 // 2, 0

    def free_bytes() -> int:
        return max(0, total - taken)

    async def use(pool: Pool) -> None:
        nonlocal taken
        answer = pool.generate("a", HELLO)
        await anext(answer)
        taken = need(before)
        await pool.replace(after.models, plans(after, free_bytes))
        with pytest.raises(DoesNotFit, match="beside a replaced model"):
            await pool.load("b")
        await answer.aclose()
        taken = 0
        assert (await pool.load("b")).is_alive

    run(before, tmp_path, use, free_bytes=free_bytes)


def test_a_reload_while_room_is_made_takes_nothing_from_under_it(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models have to go for a third; one of them leaves the catalogue meanwhile."""
    found = catalogue(models_dir, s1="pocket-s.gguf", s2="pocket-s.gguf", m="pocket-m.gguf")
    after = catalogue(models_dir, s1="pocket-s.gguf", m="pocket-m.gguf")

    async def use(pool: Pool) -> None:
        pid = (await pool.load("s1")).pid
        await pool.load("s2")
        monkeypatch.setattr(eviction, "victims", lambda *_: ["s1", "s2"])
        # It takes a second to end.
        os.kill(pid, signal.SIGSTOP)
        loading = asyncio.create_task(pool.load("m"))
        await asyncio.sleep(0.2)
        await pool.replace(after.models, plans(after, lambda: 10 * GIB))
        ended = (await asyncio.gather(loading, return_exceptions=True))[0]
        assert isinstance(ended, Worker | TierchatError), ended

    run(found, tmp_path, use, free_bytes=lambda: 10 * GIB)


@pytest.mark.parametrize("num_earlier", [0, 2])
@pytest.mark.slow
def test_a_healed_trap_is_no_crash_of_the_model(
    models_dir: Path, tmp_path: Path, num_earlier: int
) -> None:
    """Neither where memory runs out besides, nor where machine.json cannot be written."""
    launched: list[bool] = []

    async def launch(order: LoadModel) -> Worker:
        launched.append(order.use_extra_buffer_types)
        if order.use_extra_buffer_types:
            raise WorkerDied("died of SIGILL", signal_number=signal.SIGILL, is_first_decode=True)
        if launched == [True, False]:
            raise WorkerDied("out of memory", is_out_of_memory=True)
        return await Worker.start(order)

    found = catalogue(models_dir, xs="pocket-xs.gguf")
    planned = plans(found, lambda: 10 * GIB).of("xs")
    assert planned
    # Something smaller can be tried.
    planned = replace(planned, setting=replace(planned.setting, kv_type="f16"))
    crashes = Crashes()
    for _ in range(num_earlier):
        crashes.record("an earlier crash")
    # A directory in its place: the quirk cannot be written down.
    (tmp_path / "m.json").mkdir()
    starter = Starter(
        VerifiedFiles(tmp_path / "v.json"), MachineQuirks(tmp_path / "m.json"), launch=launch
    )

    async def main() -> None:
        for _ in range(4):
            started = await starter.start("xs", found.models["xs"], crashes, planned)
            await started.worker.stop()

    asyncio.run(main())
    assert len(crashes) == num_earlier
    assert launched == [True, False, False, False, False, False]
