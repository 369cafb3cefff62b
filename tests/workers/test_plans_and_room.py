"""Who may stay loaded with whom, on machines made up small; the pool that keeps to it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.config.settings import load_settings
from tierchat.errors import DoesNotFit, ModelMissing, TierchatError
from tierchat.models.gguf.header import read_header
from tierchat.models.placement import hardware
from tierchat.models.placement.cascade_plans import CascadePlans, room_of_machine
from tierchat.models.placement.footprint import Footprint, Setting, shape_of_header
from tierchat.models.placement.hardware import Machine
from tierchat.models.placement.model_plan import ModelPlan, Room
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import find_paths
from tierchat.service.home.home_cascade import HomeCascade
from tierchat.types import DeviceInfo, Message
from tierchat.workers.eviction import Occupant, victims
from tierchat.workers.pool import Pool
from tierchat.workers.protocol import Delta, Generate, LoadModel
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.starter import Launch, Starter
from tierchat.workers.status import WorkerStatus
from tierchat.workers.worker import Worker, WorkerDied

MIB, GIB = 1 << 20, 1 << 30
Use = Callable[[Pool], Awaitable[None]]


def planned(model: str, ram: int = 0, gpus: tuple[int, ...] = ()) -> ModelPlan:
    setting = Setting(1024, "f16", 0, 1)
    return ModelPlan(model, setting, gpus, ram, Footprint(), Footprint())


def loaded(
    model: str, ram: int, used_s: float = 0, *, is_busy: bool = False, is_pinned: bool = False
) -> Occupant:
    return Occupant(model, planned(model, ram), used_s, is_busy, is_pinned)


ROOM = Room((), 10)


def test_nobody_goes_while_there_is_room() -> None:
    assert victims(planned("new", 4), [loaded("a", 6)], ROOM) == []


def test_the_longest_unused_goes_first_and_no_more_than_must() -> None:
    there = [loaded("late", 3, 30), loaded("early", 3, 10), loaded("middle", 3, 20)]
    assert victims(planned("new", 4), there, ROOM) == ["early"]
    assert victims(planned("new", 7), there, ROOM) == ["early", "middle"]


def test_busy_and_pinned_ones_never_go() -> None:
    there = [
        loaded("pinned", 2, 1, is_pinned=True),
        loaded("busy", 2, 2, is_busy=True),
        loaded("idle", 6, 3),
    ]
    assert victims(planned("new", 6), there, ROOM) == ["idle"]
    with pytest.raises(DoesNotFit) as caught:
        victims(planned("new", 7), there, ROOM)
    assert "new does not fit beside pinned, busy" in caught.value.message
    assert "tierchat unload" in caught.value.hint and caught.value.exit_code == 4


def test_what_does_not_fit_an_empty_machine_is_said_of_the_machine() -> None:
    with pytest.raises(DoesNotFit, match="what else runs on this machine"):
        victims(planned("new", 11), [], ROOM)


def test_each_gpu_has_room_of_its_own() -> None:
    room = Room((10, 10), 100)
    there = [
        Occupant("left", planned("left", 1, (8, 0)), 1, False, False),
        Occupant("right", planned("right", 1, (0, 8)), 2, False, False),
    ]
    assert victims(planned("new", 1, (2, 2)), there, room) == []
    assert victims(planned("new", 1, (8, 0)), there, room) == ["left"]


def test_the_room_of_a_machine_is_what_is_free_less_what_others_need() -> None:
    gpu = DeviceInfo(
        name="GPU0",
        description="a GPU",
        kind="gpu",
        backend="CUDA",
        total_bytes=24 * GIB,
        free_bytes=20 * GIB,
    )
    machine = Machine(gpus=(gpu,), ram_total_bytes=64 * GIB, ram_free_bytes=32 * GIB, num_cores=12)
    assert room_of_machine(machine) == Room((19 * GIB,), 31 * GIB, 12)


def machine(num_bytes: int) -> Machine:
    """Make up one on which models may take so much RAM."""
    return Machine(ram_total_bytes=1 << 50, ram_free_bytes=num_bytes + GIB)


def catalogue(models_dir: Path, *names: str, **more: tuple[str, ...]) -> Catalogue:
    """One cascade `home` of `names` ("s", or "s2" for a second one of the same file), and more.

    The second one does not share the worker of the first: another number of layers, which are all
    of them, is written for it.
    """
    cascades = {"home": names, **more}
    return Catalogue(
        models={
            name: ModelSpec(
                file=str(models_dir / f"pocket-{name.rstrip('0123456789')}.gguf"),
                gpu_layers=100 if name[-1].isdigit() else -1,
            )
            for models in cascades.values()
            for name in models
        },
        cascades={
            cascade: CascadeSpec(tiers=tuple(TierSpec(name=name, model=name) for name in models))
            for cascade, models in cascades.items()
        },
    )


def room_for(models_dir: Path, *names: str) -> int:
    """Say how much RAM these models need together, and hardly more."""
    plans = CascadePlans(catalogue(models_dir, *names), "home", lambda: machine(10 * GIB))
    return sum(each.ram_bytes for each in plans.of_cascade("home").models) + MIB


def test_a_header_is_used_where_there_is_one_and_the_catalogue_where_there_is_none(
    models_dir: Path, tmp_path: Path
) -> None:
    found = catalogue(models_dir, "xs", "m")
    file = tmp_path / "m.gguf"
    later = ModelSpec(
        file=str(file), bytes=5 * MIB, parameters=11_113_728, kv_bytes_per_token=100, max_context=99
    )
    found = msgspec.structs.replace(found, models={**found.models, "m": later})
    plans = CascadePlans(found, "home", lambda: machine(GIB))
    small, large = plans.of("xs"), plans.of("m")
    assert small and large
    assert not small.is_estimate and large.is_estimate and large.setting.context == 99
    # It has been pulled meanwhile.
    shutil.copy(models_dir / "pocket-m.gguf", file)
    large = plans.of("m")
    assert large and not large.is_estimate
    assert large.ram.weights == shape_of_header(read_header(file)).weights_bytes
    file.write_bytes(b"damaged")
    large = plans.of("m")
    assert large and large.is_estimate


def test_a_model_is_planned_with_the_cascade_it_belongs_to(models_dir: Path) -> None:
    found = catalogue(models_dir, "xs", "s", other=("xs", "m"))
    found.models["loose"] = found.models["m"]
    plans = CascadePlans(found, "home", lambda: machine(GIB), context=256)
    assert plans.of_cascade("home").of("m") is None
    assert plans.of("m") == plans.of_cascade("other").of("m")
    assert plans.of("xs") == plans.of_cascade("home").of("xs")
    assert plans.of("loose") is None
    assert all(each.setting.context == 256 for each in plans.of_cascade("other").models)


def test_the_machine_is_looked_at_once(models_dir: Path) -> None:
    looks: list[int] = []

    def look() -> Machine:
        looks.append(1)
        return machine(GIB)

    plans = CascadePlans(catalogue(models_dir, "xs", "s"), "home", look)
    assert not looks
    plans.of("xs"), plans.of("s"), plans.pinned()
    assert len(looks) == 1


def test_the_smallest_is_pinned_unless_it_takes_turns(models_dir: Path) -> None:
    found = catalogue(models_dir, "xs", "s", "m")
    assert CascadePlans(found, "home", lambda: machine(GIB)).pinned() == {"xs"}
    assert CascadePlans(
        found, "home", lambda: machine(room_for(models_dir, "xs", "m"))
    ).pinned() == {"xs"}
    assert (
        CascadePlans(found, "home", lambda: machine(room_for(models_dir, "m"))).pinned()
        == frozenset()
    )


def taken(worker: WorkerStatus) -> int:
    """What the machine misses: what a worker really takes, or is about to."""
    return min(worker.rss_bytes or 1 << 60, worker.planned_ram_bytes or 0)


def run(
    found: Catalogue,
    room: int,
    tmp_path: Path,
    use: Use,
    launch: Launch = Worker.start,
    keepalive_s: float = 60,
) -> None:
    async def main() -> None:
        starter = Starter(
            VerifiedFiles(tmp_path / "verified.json"),
            MachineQuirks(tmp_path / "machine.json"),
            launch=launch,
        )
        plans = CascadePlans(
            found,
            "home",
            lambda: machine(room - sum(taken(each) for each in pool.status())),
        )
        pool = Pool(found.models, starter, keepalive_s=keepalive_s, plans=plans)
        try:
            await asyncio.wait_for(use(pool), 30)
        finally:
            await pool.close()

    asyncio.run(main())


async def ask(pool: Pool, model: str, text: str = "2+2") -> str:
    order = Generate(id=0, messages=(Message(role="user", content=text),))
    events = [event async for event in pool.generate(model, order)]
    return "".join(event.answer for event in events if isinstance(event, Delta))


def status(pool: Pool, model: str) -> WorkerStatus:
    return next(status for status in pool.status() if status.model == model)


def alive(pool: Pool) -> set[str]:
    return {status.model for status in pool.status() if status.pid}


def set_aside(pool: Pool) -> set[str]:
    """Name the models that memory is set aside for."""
    return {each.model for each in pool.status() if each.planned_ram_bytes is not None}


# An s takes more than an xs, and an m less than two of them.


@pytest.mark.slow
def test_a_third_model_takes_the_place_of_the_longest_unused(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        for model in ("xs", "s", "s2"):
            assert await ask(pool, model) == "4"
        await ask(pool, "s")
        assert alive(pool) == {"xs", "s", "s2"}
        assert await ask(pool, "m") == "4"
        assert alive(pool) == set_aside(pool) == {"xs", "s", "m"}
        # And back again: now s has waited longest.
        assert await ask(pool, "s2") == "4"
        assert alive(pool) == set_aside(pool) == {"xs", "s2", "m"}

    run(
        catalogue(models_dir, "xs", "s", "s2", "m"),
        room_for(models_dir, "xs", "s", "m"),
        tmp_path,
        use,
    )


def test_what_was_planned_is_set_aside_and_is_what_it_is_loaded_with(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        assert set_aside(pool) == set()
        worker = await pool.load("m")
        found = status(pool, "m")
        assert worker.order.context == found.context == 512
        assert worker.order.kv_type == "q8_0" and worker.order.gpu_layers == 0
        assert found.planned_ram_bytes and found.rss_bytes
        if not hardware.has_gpu_library():
            # A GPU build loads a driver, of a size of its own, too.
            assert 0.7 < found.rss_bytes / found.planned_ram_bytes < 1.1

    run(catalogue(models_dir, "xs", "m"), GIB, tmp_path, use)


@pytest.mark.slow
def test_a_busy_model_and_the_smallest_are_never_in_the_way(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        await ask(pool, "xs")
        busy = asyncio.create_task(ask(pool, "s", "What is 123*45?"))
        while not status(pool, "s").pid:
            await asyncio.sleep(0.01)
        with pytest.raises(DoesNotFit, match="does not fit beside xs, s") as caught:
            await pool.load("m")
        assert caught.value.exit_code == 4
        assert await busy == "5535"
        assert set_aside(pool) == {"xs", "s"}
        assert await ask(pool, "m") == "4"
        assert alive(pool) == {"xs", "m"}

    run(catalogue(models_dir, "xs", "s", "m"), room_for(models_dir, "xs", "m"), tmp_path, use)


@pytest.mark.slow
def test_where_not_even_the_smallest_can_stay_they_take_turns(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        for model in ("xs", "m", "xs", "s"):
            assert await ask(pool, model) == "4"
            assert alive(pool) == {model}

    run(catalogue(models_dir, "xs", "s", "m"), room_for(models_dir, "m"), tmp_path, use)


def test_a_model_that_does_not_fit_says_so_and_is_never_started(
    models_dir: Path, tmp_path: Path
) -> None:
    async def launch(_order: LoadModel) -> Worker:
        raise AssertionError("it must not be started")

    async def use(pool: Pool) -> None:
        with pytest.raises(DoesNotFit, match=r"m does not fit: it needs 0\.1 GiB") as caught:
            await pool.load("m")
        assert caught.value.exit_code == 4 and caught.value.http_status == 507
        assert set_aside(pool) == set()

    run(catalogue(models_dir, "xs", "m"), room_for(models_dir, "xs"), tmp_path, use, launch)


def test_memory_is_free_again_after_unloading(models_dir: Path, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await pool.load("s")
        assert set_aside(pool) == {"s"}
        assert await pool.unload("s")
        assert set_aside(pool) == set()
        assert not await pool.unload("s")

    run(catalogue(models_dir, "xs", "s"), GIB, tmp_path, use)


def test_memory_is_free_again_after_a_death_nobody_was_there_for(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        worker = await pool.load("s")
        os.kill(worker.pid, signal.SIGKILL)
        while worker.is_alive:
            await asyncio.sleep(0.01)
        assert set_aside(pool) == set()
        # Not even a load that may unload nothing is kept from it.
        await pool.load_ahead("m")
        assert alive(pool) == {"m"}

    run(catalogue(models_dir, "xs", "s", "m"), room_for(models_dir, "m"), tmp_path, use)


def test_memory_is_free_again_after_a_death_under_a_prompt(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        worker = await pool.load("s")
        task = asyncio.create_task(ask(pool, "s", "What is 123*45?"))
        await asyncio.sleep(0.01)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            await task
        assert set_aside(pool) == set()

    run(catalogue(models_dir, "xs", "s"), GIB, tmp_path, use)


def test_memory_is_free_again_after_a_load_that_failed(models_dir: Path, tmp_path: Path) -> None:
    found = catalogue(models_dir, "xs", "s", "m")
    found.models["m"] = ModelSpec(file=str(tmp_path / "gone.gguf"), bytes=MIB)
    script = tmp_path / "child.py"
    script.write_text("raise SystemExit('no')")
    command = (sys.executable, str(script))

    async def use(pool: Pool) -> None:
        for model in ("s", "m"):
            with pytest.raises(TierchatError) as caught:
                await pool.load(model)
            assert isinstance(caught.value, ModelMissing) == (model == "m")
            assert set_aside(pool) == set()

    run(found, GIB, tmp_path, use, lambda order: Worker.start(order, command=command))


def test_memory_is_free_again_after_a_load_nobody_waits_for(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        task = asyncio.create_task(pool.load("s"))
        while not set_aside(pool):
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert set_aside(pool) == set()
        assert await ask(pool, "s") == "4"

    run(catalogue(models_dir, "xs", "s"), GIB, tmp_path, use)


def test_one_that_is_leaving_is_waited_for(models_dir: Path, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await pool.load("s")
        leaving = asyncio.create_task(pool.unload("s"))
        await asyncio.sleep(0)
        assert await ask(pool, "m") == "4"
        assert await leaving and alive(pool) == {"m"}

    run(catalogue(models_dir, "xs", "s", "m"), room_for(models_dir, "m"), tmp_path, use)


def test_prompts_for_models_that_exclude_each_other_never_lock_up(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        async def one(turn: int) -> str:
            try:
                return await ask(pool, ("xs", "s", "m")[turn % 3])
            except (DoesNotFit, WorkerDied):
                return "4"

        async def killer() -> None:
            for _ in range(30):
                await asyncio.sleep(0.02)
                for found in pool.status():
                    if found.pid and found.state == "ready":
                        os.kill(found.pid, signal.SIGKILL)

        killing = asyncio.create_task(killer())
        assert await asyncio.gather(*(one(turn) for turn in range(24))) == ["4"] * 24
        await killing

    run(catalogue(models_dir, "xs", "s", "m"), room_for(models_dir, "m"), tmp_path, use)


@pytest.mark.slow
def test_a_room_is_not_waited_for_with_a_lock_somebody_needs(
    models_dir: Path, tmp_path: Path
) -> None:
    """`s2` dies and is asked for again while it is to make room for `m`."""

    async def use(pool: Pool) -> None:
        await pool.load("s")
        worker = await pool.load("s2")
        stop, again = Worker.stop, []

        async def slow_stop(leaving: Worker) -> None:
            await stop(leaving)
            if leaving.order.name == "s" and not again:
                os.kill(worker.pid, signal.SIGKILL)
                while worker.is_alive:
                    await asyncio.sleep(0.01)
                again.append(asyncio.create_task(pool.load("s2")))
                await asyncio.sleep(0.1)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Worker, "stop", slow_stop)
            ends = await asyncio.gather(pool.load("m"), return_exceptions=True)
            ends += await asyncio.gather(*again, return_exceptions=True)
        # Whichever came first has the room.
        assert [type(end) for end in ends].count(DoesNotFit) == 1
        assert len(alive(pool)) == 1
        assert await ask(pool, "s2") == "4"

    run(catalogue(models_dir, "xs", "s", "s2", "m"), room_for(models_dir, "s", "s2"), tmp_path, use)


def test_loading_ahead_never_unloads_another(models_dir: Path, tmp_path: Path) -> None:
    async def use(pool: Pool) -> None:
        await ask(pool, "s")
        with pytest.raises(DoesNotFit):
            await pool.load_ahead("m")
        assert alive(pool) == {"s"}
        await pool.load_ahead("xs")
        assert alive(pool) == {"xs", "s"}

    run(catalogue(models_dir, "xs", "s", "m"), room_for(models_dir, "xs", "s"), tmp_path, use)


def test_what_was_loaded_ahead_for_nobody_is_unloaded_in_the_end(
    models_dir: Path, tmp_path: Path
) -> None:
    async def use(pool: Pool) -> None:
        await pool.load_ahead("xs")
        while alive(pool):
            await asyncio.sleep(0.01)

    run(catalogue(models_dir, "xs", "s"), GIB, tmp_path, use, keepalive_s=0.1)


def test_reading_the_settings_again_does_not_count_loaded_models_twice(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIERCHAT_HOME", str(tmp_path))
    whole, left = room_for(models_dir, "s", "m"), room_for(models_dir, "m") + 24 * MIB
    looks: list[Machine] = []

    def look() -> Machine:
        looks.append(machine(left if looks else whole))
        return looks[-1]

    monkeypatch.setattr(hardware, "look", look)

    async def main() -> None:
        paths = find_paths(os.environ)
        cascade = HomeCascade(paths, load_settings(paths, os.environ))
        try:
            await cascade.load("S")
            await cascade.reload()
            await cascade.load("M")
            found = {each.model for each in cascade.status_of_workers() if each.pid}
            assert found == {"pocket-s", "pocket-m"}
        finally:
            await cascade.close()

    asyncio.run(main())
    assert len(looks) == 2


def test_memory_that_others_give_back_is_found_before_a_model_is_refused(
    models_dir: Path, tmp_path: Path
) -> None:
    frees = [room_for(models_dir, "xs"), room_for(models_dir, "m") + 24 * MIB]
    found = catalogue(models_dir, "xs", "m")

    async def main() -> None:
        starter = Starter(VerifiedFiles(tmp_path / "v.json"), MachineQuirks(tmp_path / "m.json"))
        plans = CascadePlans(found, "home", lambda: machine(frees.pop(0)))
        pool = Pool(found.models, starter, keepalive_s=60, plans=plans)
        try:
            await pool.load("xs")
            # What xs has is counted as ours.
            await pool.load("m")
            assert alive(pool) == {"xs", "m"}
        finally:
            await pool.close()

    asyncio.run(main())
    assert not frees


def test_a_file_under_two_names_is_planned_once(models_dir: Path) -> None:
    file = str(models_dir / "pocket-s.gguf")
    found = Catalogue(
        models={"one": ModelSpec(file=file), "two": ModelSpec(file=file, license="MIT")},
        cascades={
            "home": CascadeSpec(tiers=tuple(TierSpec(name=n, model=n) for n in ("one", "two")))
        },
    )
    plan = CascadePlans(found, "home", lambda: machine(10 * GIB)).of_cascade("home")
    assert [each.model for each in plan.models] == ["one"]
    assert plan.of("two") == plan.of("one") == plan.models[0]
