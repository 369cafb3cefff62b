"""The choice whether a cascade teaches itself, at `pull` and later."""

from __future__ import annotations

import json
from pathlib import Path

import pexpect
import pytest

from tests.conftest import UserHome
from tierchat.cli.lesson_text import lesson_lines, lesson_text, short_text
from tierchat.config.teach_choice import choose_teaching, taught_cascades
from tierchat.gates.lesson_state import LessonState, read_state, write_state
from tierchat.paths import make_private


@pytest.fixture
def mine(home: UserHome, models_dir: Path) -> UserHome:
    home.paths.config_dir.mkdir(parents=True)
    home.paths.models_file.write_text(
        f"""
        [models.a]
        file = "{models_dir / "pocket-xs.gguf"}"
        [models.b]
        file = "{models_dir / "pocket-s.gguf"}"
        [cascades.mine]
        tiers = [
          {{ name = "XS", model = "a", gate = "token" }},
          {{ name = "S", model = "b", gate = "token" }},
        ]
        [cascades.one]
        tiers = [{{ name = "XS", model = "a", gate = "token" }}]
        """
    )
    return home


def test_pull_asks_nothing_in_a_pipe_and_teaches_nothing(mine: UserHome) -> None:
    done = mine.run("pull", "mine", "-y")
    assert done.returncode == 0 and taught_cascades(mine.paths) == {}
    assert b"`tierchat gate teach mine` lets it teach itself" in done.stderr


@pytest.mark.parametrize(("option", "is_wanted"), [("--teach", True), ("--no-teach", False)])
def test_pull_takes_the_choice_as_an_option(mine: UserHome, option: str, is_wanted: bool) -> None:
    assert mine.run("pull", "mine", option).returncode == 0
    assert taught_cascades(mine.paths) == {"mine": is_wanted}
    # It is remembered, and not asked again.
    again = mine.run("pull", "mine")
    assert b"teach itself" not in again.stderr


def test_a_cascade_of_one_tier_has_nothing_to_learn(mine: UserHome) -> None:
    assert b"teach" not in mine.run("pull", "one").stderr
    refused = mine.run("gate", "teach", "one")
    assert refused.returncode == 2 and b"only one tier" in refused.stderr
    unknown = mine.run("gate", "teach", "min")
    assert unknown.returncode == 2 and b"mine" in unknown.stderr


@pytest.mark.parametrize(("typed", "is_wanted"), [("\r", True), ("n\r", False)])
def test_pull_asks_once_at_a_terminal(mine: UserHome, typed: str, is_wanted: bool) -> None:
    command, *arguments = mine.command("pull", "mine")
    child = pexpect.spawn(command, arguments, env=dict(mine.env), encoding="utf-8", timeout=60)
    child.expect("teach itself when to ask a bigger tier.*Y/n")
    child.send(typed)
    child.expect(pexpect.EOF)
    child.close()
    assert taught_cascades(mine.paths) == {"mine": is_wanted}


def test_the_choice_changes_and_shows(mine: UserHome) -> None:
    assert b"teaches itself while the daemon runs" in mine.run("gate", "teach", "mine").stderr
    assert b"mine: teaches itself as soon as" in mine.run("gate", "ls").stdout
    assert b"does not teach itself" in mine.run("gate", "teach", "mine", "--off").stderr
    assert b"mine" not in mine.run("gate", "ls").stdout
    off = mine.run("gate", "teach", "mine", env={"TIERCHAT_TEACH": "false"})
    assert b"teach = false" in off.stderr
    gates = json.loads(mine.run("gate", "ls", "--json").stdout)
    assert "mine" not in [gate["cascade"] for gate in gates]


def test_a_lesson_is_told_in_one_line() -> None:
    state = LessonState("x", stage=1, num_stages=5, num_done=30, num_wanted=60)
    assert lesson_text(state) == "lesson 2/5, 50% of its answers"
    taught = LessonState(
        "x", phase="done", num_prompts=90, num_own=7, nhg=(0.5, 0.4, 0.6), cost_at_99=0.25,
        is_used=True, taught_at=1_795_730_316,
    )  # fmt: skip
    assert lesson_text(taught) == (
        "lesson over; gate of 2026-11-26, 90 prompts, 7 of them yours; "
        "NHG 0.50 [0.40, 0.60] on held-out prompts; 99 % of the top tier at 25% of its compute"
    )
    assert short_text(taught) == "taught 2026-11-26"
    failed = LessonState("x", phase="failed", why="the lesson stopped: no sklearn")
    assert lesson_text(failed) == "lesson failed; the lesson stopped: no sklearn"
    aside = LessonState("x", phase="done", nhg=(0.0, 0.0, 0.1), why="it is not better")
    assert "not used: it is not better" in lesson_text(aside)


def test_what_is_off_or_removed_is_told(home: UserHome) -> None:
    paths = home.paths
    make_private(paths.lessons_dir)
    state = LessonState(
        "pocket", stage=1, num_stages=5, num_prompts=90, nhg=(0.5, 0.4, 0.6), is_used=True
    )
    write_state(paths, state)
    assert list(lesson_lines(paths, ["pocket"])) == [
        "pocket: no longer teaches itself; lesson 2/5, 0% of its answers; "
        "not used: its gate was removed"
    ]
    choose_teaching(paths, "pocket", is_wanted=True)
    make_private(paths.gates_dir)
    (paths.gates_dir / "pocket.json").touch()
    [line] = lesson_lines(paths, ["pocket"])
    assert line.startswith("pocket: lesson 2/5") and "NHG 0.50" in line


@pytest.mark.parametrize(
    "change",
    [{"stage": -3}, {"taught_at": 10**18}, {"cascade": "../../elsewhere"}, {"phase": "napping"}],
)
def test_a_broken_state_is_none(home: UserHome, change: dict[str, object]) -> None:
    make_private(home.paths.lessons_dir)
    write_state(home.paths, LessonState("pocket"))
    assert read_state(home.paths, "pocket")
    file = home.paths.lesson_state("pocket")
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert read_state(home.paths, "pocket") is None
    assert home.run("gate", "ls").returncode == 0
