"""The lesson that a cascade gives itself, on the bundled models: stages, news and drift."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import UserHome
from tierchat.config.home import Home
from tierchat.gates.lesson_state import LessonState, read_state, write_state
from tierchat.learning.outcomes.own_prompts import OwnPrompts
from tierchat.learning.outcomes.prompts import GradedPrompt
from tierchat.learning.outcomes.store import open_store
from tierchat.learning.outcomes.work import work_of, workers
from tierchat.learning.training import self_teaching
from tierchat.paths import make_private

pytest.importorskip("sklearn", reason="extra [train]")
pytestmark = pytest.mark.slow
BENCH = Path(__file__).parents[2] / "bench"


def mix(_home: Home, _cascade: str, num: int, _seed: int) -> list[GradedPrompt]:
    """Draw sums that XS can do, products that take S, and what no tier knows."""
    rng = random.Random(1)
    found = []
    for _ in range(num // 2):
        a, b = rng.randint(0, 60), rng.randint(0, 9)
        found.append(GradedPrompt(prompt=f"{a}+{b}", answer=str(a + b), grader="number"))
        a, b = rng.randint(100, 999), rng.randint(10, 999)
        text = f"What is {a}*{b}?"
        found.append(GradedPrompt(prompt=text, answer=str(a * b), grader="number"))
    return list({prompt.digest: prompt for prompt in found}.values())


def own(*prompts: GradedPrompt) -> OwnPrompts:
    later = datetime.now(UTC) + timedelta(hours=1)
    digests = [prompt.digest for prompt in prompts]
    return OwnPrompts(
        prompts, dict.fromkeys(digests, 4), dict.fromkeys(digests, later), str(len(prompts))
    )


@pytest.fixture
def here(home: UserHome, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(self_teaching, "STAGES", (60, 120))
    monkeypatch.setattr(self_teaching, "shipped_prompts", mix)
    found = Home(home.paths, home.env)
    make_private(found.paths.data_dir)
    make_private(found.paths.lessons_dir)
    return found


def lesson(home: Home) -> tuple[LessonState, int]:
    """Run the lesson; returns its state and the number of cells in the store."""

    async def run() -> int:
        work = work_of(home.catalogue.effective("pocket"), home.catalogue, home.paths)
        async with workers(home, "pocket") as pool:
            with open_store(home.paths.outcomes_file) as store:
                await self_teaching.SelfTeaching(home, "pocket", work, pool).run(store)
                return store.count()

    num_cells = asyncio.run(run())
    state = read_state(home.paths, "pocket")
    assert state
    return state, num_cells


def test_a_lesson_goes_through_its_stages_and_again_for_news(
    here: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, num_cells = lesson(here)
    assert state.phase == "done" and state.stage == state.num_stages == 2
    assert state.num_done == state.num_wanted > 0 and state.nhg
    gate, aside = here.paths.gates_dir / "pocket.json", here.paths.unused_gate("pocket")
    assert gate.exists() is state.is_used and (aside.exists() or state.is_used)
    assert bool(state.why) is not state.is_used
    # Nothing is new: nothing is asked, nothing is made anew.
    assert lesson(here) == (state, num_cells)

    news = own(*(GradedPrompt(prompt=f"7{n}+1", answer=str(71 + 10 * n)) for n in range(9)))
    monkeypatch.setattr(self_teaching, "own_prompts", lambda *_given: news)
    again, more_cells = lesson(here)
    assert again.phase == "done" and again.own == "9" and again.num_own > 0
    assert num_cells < more_cells <= num_cells + 27


def test_a_gate_that_no_longer_holds_is_taken_out_of_use(
    here: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = lesson(here)
    if not state.is_used:
        pytest.skip("the gate of so small a lesson was not surely better")
    # The user calls every answer wrong that the gate is sure of.
    sums = {f"{a}+{b}": a + b for a in (11, 22, 33) for b in range(2, 8)}
    bad = own(
        *(
            GradedPrompt(prompt=text, marks={f"{right}": False, f"{text}={right}": False})
            for text, right in sums.items()
        )
    )
    monkeypatch.setattr(self_teaching, "own_prompts", lambda *_given: bad)
    told: list[str] = []
    tell = self_teaching.SelfTeaching._tell

    def listen(lesson: self_teaching.SelfTeaching, **changes: object) -> None:
        told.append(str(changes.get("why", "")))
        tell(lesson, **changes)

    monkeypatch.setattr(self_teaching.SelfTeaching, "_tell", listen)
    after, _ = lesson(here)
    assert any("judged answers were right, where it expected" in why for why in told), told
    assert after.phase == "done" and after.own == str(len(sums))
    assert here.paths.unused_gate("pocket").exists()


def test_a_gate_that_was_removed_is_not_checked(
    here: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_of(here.catalogue.effective("pocket"), here.catalogue, here.paths)
    identity = " ".join(work.identities)
    done = LessonState("pocket", "done", 2, 2, is_used=True, models=identity, own="1")
    write_state(here.paths, done)
    news = own(GradedPrompt(prompt="7+1", answer="8"))
    monkeypatch.setattr(self_teaching, "own_prompts", lambda *_given: news)
    assert lesson(here) == (done, 0)


def test_the_simulation_of_a_fresh_home_runs(home: UserHome) -> None:
    command = [sys.executable, str(BENCH / "self_teaching.py"), "--num", "8", "--burst", "4"]
    done = subprocess.run(
        [*command, "--break-s", "25"], capture_output=True, text=True, timeout=200, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    # The heading and four quarters.
    assert [row.split(" | ")[0] for row in rows[1:]] == [
        *("| 1 to 2", "| 3 to 4", "| 5 to 6", "| 7 to 8"),
    ]
    # How far the lesson comes depends on the machine.
    assert re.search(r"lesson [1-5]/5|gate of ", done.stdout), done.stdout
