"""Every command that starts workers, on a build of llama.cpp whose AMX kernels trap."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import UserHome
from tests.trapping import trapping_env

TRAP = trapping_env()
ALL_TRAP = trapping_env(always=True)


@pytest.fixture(autouse=True)
def _begin_without_quirks(home: UserHome) -> None:
    home.paths.machine_file.unlink(missing_ok=True)


def uses_extra_buffers(home: UserHome) -> bool:
    known: dict[str, object] = json.loads(home.paths.machine_file.read_bytes())
    return bool(known["uses_extra_buffer_types"])


def questions(path: Path, num: int) -> str:
    lines = [
        json.dumps({"prompt": f"What is {i}+{i + n}?", "answer": str(2 * i + n)})
        for n in range(1, 4)
        for i in range(num // 3)
    ]
    path.write_text("\n".join(lines))
    return str(path)


def test_add_heals_and_what_it_learned_is_there_for_the_daemon(
    home: UserHome, models_dir: Path
) -> None:
    added = home.run("add", "mine", str(models_dir / "pocket-m.gguf"), env=TRAP)
    assert added.returncode == 0, added.stderr
    assert b"loads            yes" in added.stdout
    assert added.stderr.count(b"`tierchat doctor` says how to build it right") == 1
    # How the worker died is for the daemon's log.
    assert b"SIGILL" not in added.stderr
    assert not uses_extra_buffers(home)
    asked = home.run("ask", "-m", "mine", "2+2", env=TRAP)
    assert asked.stdout == b"4\n", asked.stderr
    workers = json.loads(home.run("ps", "--json").stdout)["workers"]
    # The daemon's worker was started right the first time.
    (one,) = [w for w in workers if "mine" in (w["model"], *w["shared_with"])]
    assert one["pid"] and one["num_crashes"] == 0


def test_add_needs_no_second_try_where_the_quirk_is_known(home: UserHome, models_dir: Path) -> None:
    assert home.run("add", "one", str(models_dir / "pocket-xs.gguf"), env=ALL_TRAP).returncode == 0
    before = home.paths.machine_file.stat().st_mtime_ns
    assert home.run("add", "two", str(models_dir / "pocket-s.gguf"), env=ALL_TRAP).returncode == 0
    assert home.paths.machine_file.stat().st_mtime_ns == before


def test_ask_heals_every_tier(home: UserHome) -> None:
    found = home.run("ask", "--json", "--tier", "M", "2+2", env=ALL_TRAP)
    outcome = json.loads(found.stdout)
    assert outcome["answer"] == "4" and "`tierchat doctor`" in outcome["notices"][0]
    assert not uses_extra_buffers(home)


@pytest.mark.slow
def test_train_and_eval_heal(home: UserHome, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="extra [train]")
    prompts = questions(tmp_path / "p.jsonl", 60)
    words = ("train", "--prompts", prompts, "--ignore-token", "--max-prompts", "60")
    taught = home.run(*words, env=TRAP)
    assert taught.returncode == 0, taught.stderr
    assert taught.stderr.count(b"`tierchat doctor`") == 1
    assert not uses_extra_buffers(home)
    home.paths.machine_file.unlink()
    # Other answers than the lesson's: those are kept, and would start no worker.
    fresh = questions(tmp_path / "fresh.jsonl", 90)
    measured = home.run("eval", "--prompts", fresh, env=TRAP)
    assert measured.returncode == 0, measured.stderr
    assert measured.stderr.count(b"`tierchat doctor`") == 1
    assert not uses_extra_buffers(home)
