"""`train`, `eval` and `gate` as a person runs them, on the bundled models."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import UserHome
from tierchat.learning.outcomes.prompts import GradedPrompt, write_prompts
from tierchat.learning.outcomes.store import OutcomeStore

pytest.importorskip("sklearn", reason="extra [train]")


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(1)
    found = []
    for _ in range(80):
        a, b = rng.randint(0, 9), rng.randint(0, 9)
        found.append(GradedPrompt(prompt=f"{a}+{b}", answer=str(a + b), family="easy"))
        a, b = rng.randint(100, 999), rng.randint(10, 999)
        found.append(GradedPrompt(prompt=f"What is {a}*{b}?", answer=str(a * b), family="hard"))
    path = tmp_path_factory.mktemp("prompts") / "p.jsonl"
    write_prompts(path, found)
    return path


def cells(home: UserHome) -> int:
    store = OutcomeStore(home.paths.outcomes_file)
    try:
        return store.count()
    finally:
        store.close()


@pytest.mark.slow
def test_a_gate_is_taught_used_measured_and_removed(home: UserHome, prompts: Path) -> None:
    taught = home.run("train", "--prompts", str(prompts), "--minutes", "0")
    assert taught.returncode == 0, taught.stderr
    assert b"NHG" in taught.stdout and b"balanced" in taught.stdout and b"round 1" in taught.stderr
    assert b"them M gave no verdict, which counts as wrong" in taught.stderr
    assert b"in use" in home.run("gate", "ls").stdout

    hard = home.run("ask", "--json", "What is 345*678?")
    path = json.loads(hard.stdout)["path"]
    assert path[0]["tier"] == "XS" and "worth its cost" in path[0]["reason"]
    assert 0 <= path[0]["estimates"]["XS right"] < 0.5
    easy = json.loads(home.run("ask", "--json", "3+4").stdout)
    assert easy["tier"] == "XS" and easy["answer"].strip() == "7"
    refused = home.run("ask", "Write an essay about the peoples of the north")
    assert refused.returncode == 9

    plot = home.directory / "c.svg"
    measured = home.run(
        "eval", "--prompts", str(prompts), "--compare", "all", "--json", "--plot", str(plot)
    )
    assert measured.returncode == 0, measured.stderr
    found = json.loads(measured.stdout)
    assert found["lines"][0]["name"] == "tierchat"
    live = found["live"]
    # In a replay no tier may refuse; the real cascade differs from the replay in that alone.
    assert live["same_tier"] + live["refused"] == pytest.approx(1.0)
    assert live["same_grade"] + live["refused"] > 0.999 and live["refused"] < 0.1
    assert b"<svg" in plot.read_bytes()
    shown = home.run("eval", "--prompts", str(prompts))
    assert b"at --quality balanced" in shown.stdout and "│".encode() in shown.stdout

    out = home.directory / "mine.json"
    assert home.run("gate", "export", "pocket", str(out)).returncode == 0
    assert home.run("gate", "rm", "pocket", "-y").returncode == 0
    assert b"no learned gates" in home.run("gate", "ls").stdout
    assert home.run("gate", "import", str(out)).returncode == 0
    assert json.loads(home.run("gate", "show", "pocket", "--json").stdout)["cascade"] == "pocket"

    numbers = home.paths.gates_dir / "pocket.npz"
    numbers.write_bytes(numbers.read_bytes()[:-100])
    damaged = home.run("ask", "3+4")
    assert damaged.returncode == 0 and damaged.stdout.strip() == b"7"
    assert b"is not used" in damaged.stderr
    assert b"is not used" not in home.run("ask", "3+4").stderr
    assert home.run("gate", "rm", "pocket", "-y").returncode == 0


@pytest.mark.slow
def test_what_was_answered_before_a_kill_is_not_answered_again(
    home: UserHome, prompts: Path
) -> None:
    command = home.command("train", "--prompts", str(prompts), "--minutes", "0")
    killed = 0
    for delay in (2.0, 2.5, 3.0):
        child = subprocess.Popen(command, env=home.env, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
    before = cells(home) if home.paths.outcomes_file.exists() else 0
    done = home.run("train", "--prompts", str(prompts), "--minutes", "0")
    assert done.returncode == 0, done.stderr
    after = cells(home)
    again = home.run("train", "--prompts", str(prompts), "--minutes", "0")
    assert again.returncode == 0 and cells(home) == after >= before
    assert again.stdout.splitlines()[1] == done.stdout.splitlines()[1], "the same gate"


@pytest.mark.slow
def test_eval_goes_on_after_a_kill(home: UserHome, prompts: Path, tmp_path: Path) -> None:
    assert home.run("train", "--prompts", str(prompts), "--minutes", "0").returncode == 0
    fresh = tmp_path / "fresh.jsonl"
    found = [GradedPrompt(prompt=f"{a}+{b}=", answer=str(a + b)) for a in range(60) for b in (1, 2)]
    write_prompts(fresh, found)
    taught = cells(home)
    child = subprocess.Popen(home.command("eval", "--prompts", str(fresh)), env=home.env)
    ends_s = time.monotonic() + 20
    while cells(home) == taught and child.poll() is None and time.monotonic() < ends_s:
        time.sleep(0.02)
    child.kill()
    child.wait()
    before = cells(home)
    done = home.run("eval", "--prompts", str(fresh), "--json")
    assert done.returncode == 0, done.stderr
    assert taught < before <= cells(home) == taught + 3 * len(found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "which prompts"),
        (["train", "--prompts", "/nope.jsonl"], "cannot read"),
        (["train", "--builtin", "-m", "nope"], "no cascade named 'nope'"),
        (["eval", "--builtin"], "no learned gate"),
        (["gate", "show", "nope"], "no gate for 'nope'"),
        (["gate", "rm", "nope"], "no gate for 'nope'"),
        (["gate", "import", "/nope.json"], "cannot read"),
        (["ask", "--quality", "superb", "2+2"], "quality"),
        (["train", "--builtin", "--minutes", "nan"], "nan is no number of minutes"),
    ],
)
def test_bad_requests_are_told(home: UserHome, arguments: list[str], said: str) -> None:
    found = home.run(*arguments)
    assert found.returncode in (1, 2) and said in found.stderr.decode()
    assert b"a bug in tierchat" not in found.stderr


def test_too_few_prompts_are_told(home: UserHome, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    write_prompts(file, [GradedPrompt(prompt="2+2", answer="4")])
    assert b"too few" in home.run("train", "--prompts", str(file)).stderr


@pytest.mark.slow
def test_prompts_without_answers_are_graded_by_the_top_tier(home: UserHome, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    write_prompts(file, [GradedPrompt(prompt=f"1{a}*1{b}") for a in range(8) for b in range(6)])
    done = home.run("train", "--prompts", str(file), "--minutes", "0")
    assert done.returncode == 0, done.stderr
    assert b"48 of 48 prompts have no answer: M graded them" in done.stderr
    # The bundled M was never taught to judge, and XS's answers are not its own.
    assert re.search(rb"M gave no verdict on \d+ of 36 answers", done.stderr)
    assert b"what the exact graders say" not in done.stderr
    found = json.loads(home.run("eval", "--prompts", str(file), "--json").stdout)
    assert found["live"]["same_grade"] > 0.9


def test_without_scikit_learn_it_says_what_to_install(home: UserHome, prompts: Path) -> None:
    script = (
        "import sys, importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'sklearn' else find(name, *a)\n"
        "from tierchat.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", script, "train", "--prompts", str(prompts)]
    found = subprocess.run(command, env=home.env, capture_output=True, text=True)
    assert found.returncode == 2 and "need sklearn" in found.stderr
    assert "tierchat[train]" in found.stderr
