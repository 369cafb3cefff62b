"""When a cascade may teach itself, and what a prompt does to its lesson."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from tests.conftest import UserHome, wait_until
from tests.workers.test_lending import Scripted
from tierchat.config.settings import Settings
from tierchat.config.teach_choice import choose_teaching
from tierchat.events import CascadeEvent, Notice
from tierchat.gates.lesson_state import LessonState, read_state, write_state
from tierchat.paths import Paths, make_private
from tierchat.process_lock import ProcessLock
from tierchat.service.lessons import teacher as module
from tierchat.service.lessons.activity import Activity
from tierchat.service.lessons.power import is_on_battery
from tierchat.service.lessons.teacher import Teacher
from tierchat.service.protocols import ModelKeeper
from tierchat.types import Message, Prompt

# A lesson that asks one prompt after another for ever, and says on which one it is.
CHILD = """
import asyncio, socket, sys
from tierchat.types import Message
from tierchat.workers.borrowed import BorrowedModels
from tierchat.workers.complete import complete
from tierchat.workers.protocol import Generate

async def main():
    sock = socket.socket(fileno=int(sys.argv[2]))
    models = BorrowedModels(*await asyncio.open_connection(sock=sock))
    for number in range(100_000):
        text = (Message(role="user", content=str(number)),)
        await complete(models, "m", Generate(id=0, messages=text))

asyncio.run(main())
"""
SETTINGS = Settings(teach_idle_s=0.1, teach_share=1.0)
PROMPT = Prompt(messages=(Message(role="user", content="2+2"),))


class Keeper:
    """A cascade `x` of scripted models."""

    def __init__(self) -> None:
        self.models = Scripted(delay_s=0.02)

    def lend(self, _cascade: str) -> Scripted:
        return self.models

    def teachable(self) -> dict[str, float]:
        return {"x": 0.0}

    async def answer(self, _prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        await asyncio.sleep(0.2)
        yield Notice(text="done")


@pytest.fixture
def paths(home: UserHome) -> Paths:
    make_private(home.paths.data_dir)
    choose_teaching(home.paths, "x", is_wanted=True)
    return home.paths


def run(
    paths: Paths,
    use: Callable[[Teacher, Activity, Keeper], Awaitable[None]],
    settings: Settings = SETTINGS,
    on_battery: bool = False,
) -> None:
    async def main() -> None:
        keeper = Keeper()
        activity = Activity(keeper)
        teacher = Teacher(cast(ModelKeeper, keeper), activity, paths, settings, lambda: on_battery)
        running = asyncio.create_task(teacher.run())
        try:
            await use(teacher, activity, keeper)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(main(), 40))


@pytest.fixture(autouse=True)
def _scripted_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHILD_ARGV", (sys.executable, "-c", CHILD))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_lesson_runs_in_idle_time_and_stops_for_a_prompt(paths: Paths) -> None:
    async def use(teacher: Teacher, activity: Activity, keeper: Keeper) -> None:
        await until(lambda: len(keeper.models.ended) > 3)
        assert teacher.cascade == "x" and not teacher.is_paused
        async with contextlib.aclosing(activity.answer(PROMPT)) as events:
            async for _ in events:
                # The prompt waited for nothing: what ran was ended, and nothing began.
                assert teacher.is_paused and keeper.models.num_now == 0
        before = len(keeper.models.began)
        assert activity.idle_s < 0.1
        await until(lambda: len(keeper.models.began) > before + 3)
        assert not teacher.is_paused

    run(paths, use)


@pytest.mark.slow
def test_a_lesson_keeps_to_its_share_of_the_time(paths: Paths) -> None:
    async def use(_teacher: Teacher, _activity: Activity, keeper: Keeper) -> None:
        await until(lambda: keeper.models.began)
        await asyncio.sleep(2.5)
        before = len(keeper.models.ended)
        await asyncio.sleep(2.0)
        # 20 ms each: a tenth of two seconds is room for ten; without a share for a hundred.
        assert len(keeper.models.ended) - before <= 30

    run(paths, use, Settings(teach_idle_s=0.1, teach_share=0.1))


def test_a_lesson_that_is_no_longer_wanted_ends(paths: Paths) -> None:
    async def use(teacher: Teacher, _activity: Activity, keeper: Keeper) -> None:
        await until(lambda: keeper.models.began)
        choose_teaching(paths, "x", is_wanted=False)
        await until(lambda: teacher.cascade == "")
        before = len(keeper.models.began)
        await asyncio.sleep(0.3)
        assert len(keeper.models.began) == before and teacher.cascade == ""

    run(paths, use)


@pytest.mark.parametrize("why", ["off", "battery", "not chosen", "locked", "done"])
def test_no_lesson_runs_without_leave(paths: Paths, why: str) -> None:
    settings = Settings(teach_idle_s=0.05, teach=why != "off")
    make_private(paths.lessons_dir)
    if why == "not chosen":
        choose_teaching(paths, "x", is_wanted=False)
    lock = ProcessLock(paths.lesson_lock("x"))
    if why == "locked":
        assert lock.take()
    if why == "done":
        write_state(paths, LessonState("x", phase="done", changed_at=int(time.time())))

    async def use(teacher: Teacher, _activity: Activity, _keeper: Keeper) -> None:
        await asyncio.sleep(0.5)
        assert teacher.cascade == ""

    run(paths, use, settings, on_battery=why == "battery")
    lock.release()


def test_a_lesson_that_is_over_goes_on_for_news(paths: Paths) -> None:
    make_private(paths.lessons_dir)
    write_state(paths, LessonState("x", phase="done", changed_at=int(time.time()) - 9))
    paths.log_file.write_bytes(b"")

    async def use(teacher: Teacher, _activity: Activity, _keeper: Keeper) -> None:
        await until(lambda: teacher.cascade == "x")

    run(paths, use)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, False),
        ({"AC/type": "Mains", "AC/online": "1"}, False),
        ({"BAT0/type": "Battery", "BAT0/status": "Charging"}, False),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging"}, True),
        (
            {"m/type": "Battery", "m/scope": "Device", "m/status": "Discharging"},
            False,
        ),
    ],
)
def test_a_battery_in_use_is_seen(tmp_path: Path, files: dict[str, str], found: bool) -> None:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{text}\n")
    assert is_on_battery(tmp_path) is found
    assert not is_on_battery(tmp_path / "none")


@pytest.mark.slow
def test_the_daemon_teaches_the_bundled_cascade_and_a_person_takes_over(
    home: UserHome, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn", reason="extra [train]")
    env = {"TIERCHAT_TEACH_IDLE_S": "0.5", "TIERCHAT_TEACH_SHARE": "1"}
    assert home.run("gate", "teach", "pocket").returncode == 0
    assert b"teaches itself as soon as" in home.run("gate", "ls").stdout
    home.run("daemon", "up", env=env)

    def state() -> LessonState | None:
        return read_state(home.paths, "pocket")

    wait_until(lambda: (s := state()) and s.num_done > 20, 120)
    assert b"the lesson of pocket runs" in home.run("ps").stdout
    assert home.run("ask", "--json", "2+2", env=env).returncode == 0
    taken = home.run("train", "--builtin", "--minutes", "0.01")
    assert b"ended the lesson that pocket gave itself" in taken.stderr
    assert b"pocket: lesson 1/5" in home.run("gate", "ls").stdout
    gates = json.loads(home.run("gate", "ls", "--json").stdout)
    lessons = {gate["cascade"]: gate["lesson"] for gate in gates}
    assert lessons["pocket"]["num_stages"] == 5
    home.run("daemon", "down")
    assert os.path.exists(home.paths.outcomes_file)
