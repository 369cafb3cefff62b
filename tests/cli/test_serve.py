"""`tierchat serve` as a person runs it: in the foreground, in the background, as a unit."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from tests.conftest import UserHome, wait_until
from tests.service.test_client import fake_daemon, http


def test_in_the_foreground_it_tells_all_a_client_needs_and_ctrl_c_ends_it(home: UserHome) -> None:
    home.start_scripted()
    child = subprocess.Popen(
        home.command("serve", "--port", "0", "--json"), env=home.env, stdout=subprocess.PIPE
    )
    assert child.stdout
    try:
        status = json.loads(child.stdout.readline())
        key = home.paths.key_file.read_text().strip()
        asked = urllib.request.Request(
            f"{status['url']}/models", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(asked, timeout=10) as reply:
            assert reply.status == 200
        served = json.loads(child.stdout.readline())
        assert (served["path"], served["status"]) == ("/v1/models", 200)
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.communicate()
    found = home.client.status()
    assert found and not found.serving.url


def test_it_says_that_the_daemon_was_stopped(home: UserHome) -> None:
    home.start_scripted()
    child = subprocess.Popen(
        home.command("serve", "--port", "0"),
        env=home.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout
    lines = [child.stdout.readline().decode() for _ in range(5)]
    assert lines[0].startswith("listening at http://127.0.0.1:")
    assert "--show-key" in lines[1] and "OPENAI_BASE_URL=http://" in lines[2]
    assert "TIERCHAT_SERVER=http://" in lines[3] and "Ctrl-C" in lines[4]
    home.client.stop()
    _, said = child.communicate(timeout=60)
    assert child.returncode == 0 and b"listens no more" in said


def test_in_the_background_it_goes_on_until_it_is_stopped(home: UserHome) -> None:
    home.start_scripted()
    begun = home.run("serve", "--background", "--port", "0", "--no-key", "--json")
    status = json.loads(begun.stdout)
    assert begun.returncode == 0 and status["url"] and not status["key_file"]
    with urllib.request.urlopen(f"{status['url']}/models", timeout=10) as reply:
        assert reply.status == 200
    assert home.run("serve", "--stop").stdout == b"stopped listening\n"
    assert home.run("serve", "--stop").stdout == b"the daemon does not listen on TCP\n"
    assert not home.paths.key_file.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], b"add --expose"),
        (["--host", "0.0.0.0", "--expose", "--no-key"], b"--no-key lets everybody in"),
        (["--host", "no.such.name.invalid"], b"is no address of this machine"),
        (["--origin", "*"], b"is no origin of a web page"),
        (["--stop", "--show-key"], b"do not go together"),
    ],
)
def test_what_is_not_safe_is_refused_with_a_way_out(
    home: UserHome, words: list[str], said: bytes
) -> None:
    home.start_scripted()
    found = home.run("serve", "--port", "0", *words)
    assert found.returncode == 2 and said in found.stderr and b"hint: " in found.stderr


def test_exposed_it_says_who_can_do_what(home: UserHome) -> None:
    home.start_scripted()
    found = home.run("serve", "--port", "0", "--host", "0.0.0.0", "--expose", "--background")
    assert found.returncode == 0
    assert b"open to other machines" in found.stdout and b"whoever has the key" in found.stdout
    assert b"not encrypted" in found.stdout


def test_the_unit_is_written_and_removed_and_no_other_is_touched(home: UserHome) -> None:
    env = {"XDG_CONFIG_HOME": str(home.directory / "a b%c")}
    unit = home.directory / "a b%c" / "systemd" / "user" / "tierchat.service"
    made = home.run("serve", "--install", "--port", "9000", env=env)
    assert made.returncode == 0 and str(unit) in made.stdout.decode()
    assert b"systemctl --user" in made.stdout and b"serve --uninstall" in made.stdout
    text = unit.read_text()
    assert "-m tierchat serve --host 127.0.0.1 --port 9000\n" in text
    assert f"Environment=TIERCHAT_HOME={home.directory}\n" in text and "[Install]" in text
    assert stat.S_IMODE(unit.stat().st_mode) == 0o600
    assert home.run("serve", "--install", "--host", "0.0.0.0", env=env).returncode == 2
    assert home.run("serve", "--uninstall", env=env).returncode == 0 and not unit.exists()
    unit.write_text("[Unit]\n")
    for action in ("--install", "--uninstall"):
        found = home.run("serve", action, env=env)
        assert found.returncode == 2 and b"not written by tierchat" in found.stderr
    assert unit.read_text() == "[Unit]\n"


def test_it_starts_the_daemon_and_the_bundled_models_answer(home: UserHome) -> None:
    begun = home.run("serve", "--background", "--port", "0", "--json")
    status = json.loads(begun.stdout)
    key = home.run("serve", "--show-key").stdout.decode().strip()
    body = json.dumps({"messages": [{"role": "user", "content": "2+2"}]}).encode()
    asked = urllib.request.Request(
        f"{status['url']}/chat/completions",
        body,
        {"x-api-key": key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as reply:
        assert json.load(reply)["choices"][0]["message"]["content"] == "4"
        assert reply.headers["x-tierchat-tier"] == "XS"
    wait_until(lambda: home.client.stop())


@pytest.mark.slow
def test_a_storm_of_clients_is_answered_or_told_to_come_back(home: UserHome) -> None:
    """More prompts than may wait: each gets its own answer or a 503, and nothing is left open."""
    begun = home.run("serve", "--background", "--port", "0", "--no-key", "--json")
    url = json.loads(begun.stdout)["url"]
    status = home.client.status()
    assert status
    directory = f"/proc/{status.pid}/fd"
    home.run("ask", "2+2")
    before = len(os.listdir(directory)) if os.path.isdir(directory) else 0
    found: list[tuple[int, str]] = []

    def ask(number: int) -> None:
        body = {"messages": [{"role": "user", "content": f"{number}+{number}"}]}
        headers = {"Content-Type": "application/json", "Connection": "close"}
        asked = urllib.request.Request(
            f"{url}/chat/completions", json.dumps(body).encode(), headers
        )
        try:
            with urllib.request.urlopen(asked, timeout=120) as reply:
                answer = json.load(reply)["choices"][0]["message"]["content"]
                found.append((number, answer))
        except urllib.error.HTTPError as error:
            with error:
                assert error.code == 503 and error.headers["retry-after"]
                assert json.load(error)["error"]["code"] == "overloaded"
            found.append((number, "later"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = dict(found)
    assert len(answers) == 120
    assert {n: a for n, a in answers.items() if a not in (str(2 * n), "later")} == {}
    assert sum(answer != "later" for answer in answers.values()) >= 80
    status = home.client.status()
    assert status and (status.num_active, status.num_waiting) == (0, 0)
    if before:
        wait_until(lambda: len(os.listdir(directory)) <= before + 6)


def test_an_older_daemon_that_cannot_listen_is_told(home: UserHome) -> None:
    status = {"pid": 1, "version": "0", "uptime_s": 1, "socket": "", "cascades": {}, "workers": []}
    no_route = {"error": {"message": "no such path", "code": "not_found"}}
    replies = (http(json.dumps(status).encode()), http(json.dumps(no_route).encode(), "404 None"))
    with fake_daemon(home, *replies):
        found = home.run("serve", "--stop")
    assert found.returncode == 5 and b"is an older version" in found.stderr
