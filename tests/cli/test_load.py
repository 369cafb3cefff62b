"""`load`, `unload`, `ps`, `stop` and a reload, with a real daemon and its workers' real memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.cli.test_pull import MODELS, text_of
from tests.conftest import UserHome, wait_until
from tierchat.errors import ConfigError, UsageError
from tierchat.events import CascadeEvent, Done
from tierchat.service.messages import DaemonStatus
from tierchat.service.processes import is_running
from tierchat.types import Message, Prompt, Sampling, TierOptions
from tierchat.workers.status import WorkerStatus

MIB = 1 << 20


def status_of(home: UserHome) -> DaemonStatus:
    status = home.client.status()
    assert status
    return status


def loaded(home: UserHome) -> dict[str, WorkerStatus]:
    return {worker.model: worker for worker in status_of(home).workers if worker.pid}


@pytest.fixture
def up(home: UserHome) -> UserHome:
    """A home whose daemon runs and has loaded the models that it loads by itself."""
    assert home.run("daemon", "up").returncode == 0
    wait_until(lambda: len(loaded(home)) == 3)
    return home


def asking(home: UserHome, tier: str) -> Generator[CascadeEvent]:
    """Ask for a very long text, so that the answer is still running."""
    prompt = Prompt(
        messages=(Message(role="user", content="What is 17*24?"),),
        sampling=Sampling(ignore_eos=True, max_tokens=400),
        options=TierOptions(tier=tier),
    )
    events = home.client.ask(prompt)
    assert isinstance(events, Generator)
    return events


def test_load_and_unload_tell_the_memory_they_measured(up: UserHome) -> None:
    gone = json.loads(up.run("unload", "--json").stdout)
    assert [each["model"] for each in gone] == ["pocket-xs", "pocket-s", "pocket-m"]
    assert all(each["has_changed"] and each["ram_bytes"] > 10 * MIB for each in gone)
    assert not loaded(up)
    found = up.run("load", "--json")
    assert len(found.stdout.splitlines()) == 1 and text_of(found) == ""
    for each in json.loads(found.stdout):
        assert each["has_changed"] and each["seconds"] > 0 and not each["notice"]
        worker = loaded(up)[each["model"]]
        assert worker.pid and worker.rss_bytes
        pages = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1])
        assert each["ram_bytes"] == pytest.approx(pages * 4096, rel=0.02)
        assert worker.rss_bytes == pytest.approx(pages * 4096, rel=0.02)
        # What was planned for is what it takes, and not less.
        assert each["ram_bytes"] < (worker.planned_ram_bytes or 0) * 1.1
    again = json.loads(up.run("load", "--json").stdout)
    assert not any(each["has_changed"] for each in again)


@pytest.mark.slow
def test_people_read_it_in_words(up: UserHome) -> None:
    assert up.run("unload", "s").stdout.decode().startswith("unloaded pocket-s: ")
    assert up.run("unload", "S").stdout == b"pocket-s was not loaded\n"
    found = up.run("load", "S")
    assert (
        found.stdout.decode().startswith("loaded pocket-s in ") and b" MiB of RAM" in found.stdout
    )
    assert up.run("load", "pocket-s").stdout == b"pocket-s was already loaded\n"
    lines = up.run("ps").stdout.decode().splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [
        [tier, f"pocket-{tier.lower()}", "ready"] for tier in ("XS", "S", "M")
    ]
    assert lines[-1].startswith("daemon ")


@pytest.mark.slow
def test_ps_as_json_is_one_line(up: UserHome) -> None:
    found = up.run("ps", "--json")
    told = json.loads(found.stdout)
    assert len(found.stdout.splitlines()) == 1 and told["running"]
    assert {worker["state"] for worker in told["workers"]} == {"ready"}
    assert all(worker["rss_bytes"] > 10 * MIB for worker in told["workers"])
    up.run("stop")
    assert json.loads(up.run("ps", "--json").stdout) == {"running": False}


@pytest.mark.slow
def test_a_model_that_answers_is_not_unloaded(up: UserHome) -> None:
    pid = loaded(up)["pocket-xs"].pid
    assert pid
    # Its answer stands still in the middle.
    os.kill(pid, signal.SIGSTOP)
    child = subprocess.Popen(up.command("ask", "2+2"), env=up.env, stdout=subprocess.PIPE)
    up.children.append(child)
    try:
        wait_until(lambda: loaded(up)["pocket-xs"].state == "busy")
        refused = up.run("unload", "XS")
        assert refused.returncode == 2 and refused.stdout == b""
        assert "pocket-xs is answering a prompt" in text_of(refused)
        # Of all, the others go.
        refused = up.run("unload")
        assert refused.returncode == 2 and "pocket-xs is answering a prompt" in text_of(refused)
        assert len(refused.stdout.splitlines()) == 2 and set(loaded(up)) == {"pocket-xs"}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert child.communicate(timeout=60)[0] == b"4\n"
    assert up.run("unload", "XS").returncode == 0 and not loaded(up)


@pytest.mark.slow
def test_ten_loads_and_unloads_leave_nothing_behind(up: UserHome) -> None:
    client = up.client
    client.unload("pocket")
    sizes, pids, own = [], [], []
    for _ in range(10):
        sizes.append(client.load("pocket-m")[0].ram_bytes)
        pids.append(loaded(up)["pocket-m"].pid or 0)
        client.unload("pocket-m")
        own.append(status_of(up).rss_bytes or 0)
    print(f"workers {[round(s / MIB, 2) for s in sizes]}, daemon {[o / MIB for o in own]} MiB")
    assert not loaded(up) and not any(is_running(pid) for pid in pids)
    assert all(abs(size - sizes[0]) < 0.01 * sizes[0] for size in sizes)
    assert max(own) - own[1] <= 2 * MIB


def test_small_models_get_one_thread_each(home: UserHome) -> None:
    found = json.loads(home.run("load", "--plan", "--json").stdout)
    assert found["fits"] and [model["threads"] for model in found["models"]] == [1, 1, 1]
    lines = home.run("load", "--plan").stdout.decode().splitlines()
    assert lines[0].startswith("cascade pocket") and lines[-1] == "all stay loaded together"
    assert home.client.status() is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("load", "nobody"), 2, "no model, cascade or tier named 'nobody'"),
        (("load", "qwen3-0.6b-q8"), 3, "is not on this machine yet"),
        (("load", "nobody", "--plan"), 2, "no cascade named 'nobody'"),
        (("unload", "nobody"), 2, "no model, cascade or tier named 'nobody'"),
    ],
)
def test_a_mistake_is_reported(
    warm: UserHome, words: tuple[str, ...], code: int, said: str
) -> None:
    found = warm.run(*words)
    assert found.returncode == code and said in text_of(found) and found.stdout == b""


def test_unload_and_stop_start_no_daemon(home: UserHome) -> None:
    assert home.run("unload").stdout == b"nothing is loaded\n"
    assert home.run("unload", "pocket", "--json").stdout == b"[]\n"
    assert home.run("stop").stdout == b"the daemon is not running\n"
    assert home.client.status() is None


@pytest.mark.slow
def test_stop_ends_the_daemon_and_all_its_workers(up: UserHome) -> None:
    pids = [status_of(up).pid, *(worker.pid or 0 for worker in loaded(up).values())]
    assert b"unloaded pocket-s" in up.run("stop", "pocket-s").stdout
    assert set(loaded(up)) == {"pocket-xs", "pocket-m"}
    found = up.run("stop")
    assert (found.returncode, found.stdout) == (0, b"stopped\n")
    assert not any(is_running(pid) for pid in pids) and not up.paths.socket.exists()


def own_models(home: UserHome, text: str) -> None:
    home.paths.config_dir.mkdir(exist_ok=True)
    home.paths.models_file.write_text(text)


def duo(num_tokens: int = 256) -> str:
    return (
        f'[models.ours]\nfile = "{MODELS / "pocket-s.gguf"}"\ncontext = {num_tokens}\n'
        '[[cascades.duo.tiers]]\nname = "A"\nmodel = "pocket-xs"\ngate = "token"\n'
        '[[cascades.duo.tiers]]\nname = "B"\nmodel = "ours"\ngate = "token"\n'
    )


@pytest.mark.slow
def test_a_new_cascade_is_served_by_the_daemon_that_runs(up: UserHome) -> None:
    before = loaded(up)
    own_models(up, duo())
    assert up.client.reload_if_running()
    answer = json.loads(up.run("ask", "-m", "duo", "--json", "What is 17*24?").stdout)
    assert (answer["answer"], answer["tier"], answer["model"]) == ("408", "B", "ours")
    # A model that did not change was not loaded again.
    after = loaded(up)
    assert {name: after[name].pid for name in before} == {name: w.pid for name, w in before.items()}
    assert after["ours"].context == 256
    own_models(up, duo(384))
    assert up.client.reload_if_running() and "ours" not in loaded(up)
    assert up.run("ask", "-m", "duo", "--tier", "B", "2+2").returncode == 0
    assert loaded(up)["ours"].context == 384


@pytest.mark.slow
def test_an_answer_goes_on_while_its_model_is_changed(up: UserHome) -> None:
    events = asking(up, "M")
    first = next(events)
    own_models(up, '[models."pocket-m"]\ncontext = 256\n')
    assert up.client.reload_if_running()
    *_, last = [first, *events]
    assert isinstance(last, Done) and last.outcome.generated_tokens == 400
    wait_until(lambda: "pocket-m" not in loaded(up))
    assert up.run("ask", "--tier", "M", "2+2").stdout == b"4\n"
    assert loaded(up)["pocket-m"].context == 256


@pytest.mark.slow
def test_a_broken_file_is_reported_and_the_previous_settings_stay(up: UserHome) -> None:
    own_models(up, duo())
    assert up.client.reload_if_running()
    before = status_of(up).cascades
    for text, mode, said in (
        ("[models.a]\nfile = \n", 0o600, "line 2"),
        ('[models.a]\nfile = "x.gguf"\ncontxt = 5\n', 0o600, "line 3"),
        ('[[cascades.x.tiers]]\nname = "A"\nmodel = "nobody"\n', 0o600, "nobody"),
        (duo(), 0o666, "can be changed by every user"),
    ):
        own_models(up, text)
        up.paths.models_file.chmod(mode)
        with pytest.raises(ConfigError, match=said) as caught:
            up.client.reload_if_running()
        assert str(up.paths.models_file) in caught.value.message
        assert status_of(up).cascades == before
        assert answer_of(up, "duo") == "4"


def answer_of(home: UserHome, cascade: str | None = None) -> str:
    """Ask the daemon alone; no file is read on the way."""
    question = (Message(role="user", content="2+2"),)
    *_, last = home.client.ask(Prompt(messages=question, options=TierOptions(cascade=cascade)))
    assert isinstance(last, Done)
    return last.outcome.answer


@pytest.mark.slow
def test_a_default_that_does_not_exist_is_reported_and_the_old_one_stays(up: UserHome) -> None:
    up.paths.config_dir.mkdir()
    up.paths.config_file.write_text('cascade = "nobody"\n')
    with pytest.raises(UsageError, match="no cascade named 'nobody'"):
        up.client.reload_if_running()
    assert {worker.tiers for worker in status_of(up).workers} == {("XS",), ("S",), ("M",)}
    assert answer_of(up) == "4"


@pytest.mark.slow
def test_a_pull_beside_a_broken_file_says_what_is_wrong_with_it(up: UserHome) -> None:
    own_models(up, "[models.a]\nfile = \n")
    found = up.run("pull", "pocket")
    assert found.returncode == 2 and "line 2" in text_of(found)
    assert len(loaded(up)) == 3


@pytest.mark.slow
def test_a_cascade_the_daemon_has_not_read_yet_is_found_when_it_is_asked_for(up: UserHome) -> None:
    own_models(up, duo())
    assert up.run("ask", "-m", "duo", "2+2").stdout == b"4\n"


@pytest.mark.slow
def test_another_context_reaches_a_running_daemon(up: UserHome) -> None:
    up.paths.config_dir.mkdir(exist_ok=True)
    up.paths.config_file.write_text("context = 256\n")
    assert up.client.reload_if_running()
    assert up.run("load", "S").returncode == 0
    assert loaded(up)["pocket-s"].context == 256


def test_a_context_that_holds_no_turn_is_refused_with_its_place(home: UserHome) -> None:
    found = home.run("load", "--plan", env={"TIERCHAT_CONTEXT": "1"})
    assert found.returncode == 2 and b"TIERCHAT_CONTEXT" in found.stderr
    own_models(home, "[models.pocket-m]\ncontext = 1\n")
    found = home.run("load", "--plan")
    assert found.returncode == 2 and b"line 2" in found.stderr


@pytest.mark.slow
def test_compute_is_counted_for_models_without_a_given_size(up: UserHome) -> None:
    own_models(up, duo())
    answer = json.loads(up.run("ask", "-m", "duo", "--json", "2+2").stdout)
    assert answer["tier"] == "A" and 0 < answer["relative_compute"] < 1
