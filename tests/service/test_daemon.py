"""The daemon as a process: one per home, ended cleanly, never taken down by a client."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import UserHome, wait_until
from tests.scripted_daemon import AT_ONCE_S
from tierchat.errors import DaemonUnreachable, EngineCrashed, Overloaded
from tierchat.events import AnswerDelta, CascadeEvent, Done
from tierchat.service.processes import is_running, is_stopped
from tierchat.types import Message, Prompt


def say(text: str) -> Prompt:
    return Prompt(messages=(Message(role="user", content=text),))


def gather(
    home: UserHome, text: str, events: list[CascadeEvent | BaseException]
) -> threading.Thread:
    """Ask in a thread; what comes, errors too, ends up in `events`."""

    def run() -> None:
        try:
            for event in home.client.ask(say(text)):
                events.append(event)
        except (DaemonUnreachable, EngineCrashed, Overloaded) as error:
            events.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_it_never_imports_llama_cpp() -> None:
    code = "import sys, tierchat.service.daemon; sys.exit('llama_cpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_twenty_racing_commands_start_one_daemon(home: UserHome) -> None:
    children = [
        subprocess.Popen(
            home.command("ask", "2+2"),
            env=home.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(20)
    ]
    for child in children:
        out, err = child.communicate(timeout=120)
        assert (child.returncode, out) == (0, b"4\n"), err
    log = home.paths.daemon_log.read_text()
    assert log.count("daemon 0") == 1, log


def test_a_second_daemon_names_the_first_and_ends(home: UserHome) -> None:
    first = home.start_scripted()
    second = subprocess.run(
        [sys.executable, "-m", "tierchat.service.daemon"],
        env=home.env,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 0
    assert f"already running (PID {first.pid})" in second.stdout.decode()


@pytest.mark.slow
def test_sigkill_in_the_middle_ends_the_answer_with_exit_5_and_the_next_command_restarts(
    home: UserHome,
) -> None:
    daemon = home.start_scripted("200", "0.05")
    asking = subprocess.Popen(
        home.command("ask", "x"),
        env=home.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert asking.stdout
    assert asking.stdout.read(4)
    daemon.kill()
    daemon.wait()
    out, err = asking.communicate(timeout=30)
    assert asking.returncode == 5
    assert out.endswith(b"\n") and b"connection to the daemon was lost" in err
    assert home.run("ask", "2+2").stdout == b"4\n"


def test_workers_are_gone_within_two_seconds_of_their_daemons_death(home: UserHome) -> None:
    home.run("ask", "2+2")
    wait_until(lambda: all(w.pid for w in status(home).workers))
    found = status(home)
    os.kill(found.pid, signal.SIGKILL)
    pids = [worker.pid for worker in found.workers if worker.pid]
    assert len(pids) == 3
    wait_until(lambda: not any(is_running(pid) for pid in pids), 2)


def status(home: UserHome):  # type: ignore[no-untyped-def]
    found = home.client.status()
    assert found
    return found


def test_sigterm_lets_answers_finish_and_takes_no_new_ones(home: UserHome) -> None:
    daemon = home.start_scripted("20", "0.05")
    events: list[CascadeEvent | BaseException] = []
    thread = gather(home, "x", events)
    wait_until(lambda: events)
    daemon.terminate()
    wait_until(lambda: not home.paths.socket.exists())
    with pytest.raises(DaemonUnreachable):
        list(home.client.ask(say("late")))
    thread.join(10)
    assert isinstance(events[-1], Done)
    assert daemon.wait(12) == 0
    assert not home.paths.socket.exists()


@pytest.mark.slow
def test_a_prompt_that_comes_while_a_daemon_ends_is_answered_by_the_next_one(
    home: UserHome,
) -> None:
    daemon = home.start_scripted("30", "0.05")
    events: list[CascadeEvent | BaseException] = []
    thread = gather(home, "x", events)
    wait_until(lambda: events)
    daemon.terminate()
    wait_until(lambda: not home.paths.socket.exists())
    assert home.run("ask", "2+2").stdout == b"4\n"
    thread.join(10)
    assert isinstance(events[-1], Done)


@pytest.mark.slow
def test_sigterm_gives_up_after_ten_seconds_and_says_incomplete(home: UserHome) -> None:
    daemon = home.start_scripted("4000", "0.02")
    events: list[CascadeEvent | BaseException] = []
    thread = gather(home, "x", events)
    wait_until(lambda: events)
    began_s = time.monotonic()
    daemon.terminate()
    assert daemon.wait(14) == 0
    assert 9 < time.monotonic() - began_s < 12.5
    thread.join(5)
    assert isinstance(events[-1], EngineCrashed) and "incomplete" in events[-1].message


def test_of_twenty_clients_all_finish_or_are_refused_at_once(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    (home.directory / "config" / "config.toml").write_text("max_active = 4\nmax_waiting = 8\n")
    daemon = home.start_scripted("5", "0.05")
    num_files = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
    answers: list[list[CascadeEvent | BaseException]] = [[] for _ in range(20)]
    threads = [gather(home, "x", events) for events in answers]
    for thread in threads:
        thread.join(30)
    done = [events for events in answers if isinstance(events[-1], Done)]
    refused = [events for events in answers if isinstance(events[-1], Overloaded)]
    assert len(done) >= 12 and len(done) + len(refused) == 20
    for events in done:
        words = "".join(event.text for event in events if isinstance(event, AnswerDelta))
        assert words == "0 1 2 3 4 "
    wait_until(lambda: len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) <= num_files, 5)


def test_a_client_that_leaves_is_cancelled_and_the_next_one_starts(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    (home.directory / "config" / "config.toml").write_text("max_active = 1\n")
    home.start_scripted("1000", "0.02")
    first, queued = home.client.ask(say("x")), home.client.ask(say("y"))
    next(first)
    leaving = threading.Thread(target=lambda: next(queued))
    leaving.start()
    wait_until(lambda: status(home).num_waiting == 1)
    first.close()  # type: ignore[attr-defined]
    leaving.join(AT_ONCE_S)
    assert not leaving.is_alive()
    queued.close()  # type: ignore[attr-defined]
    wait_until(lambda: status(home).num_active == 0, AT_ONCE_S)
    assert status(home).workers[0].num_crashes == 2


def test_a_client_that_leaves_the_queue_is_removed_at_once(home: UserHome) -> None:
    (home.directory / "config").mkdir()
    (home.directory / "config" / "config.toml").write_text("max_active = 1\n")
    home.start_scripted("1000", "0.02")
    first = home.client.ask(say("x"))
    next(first)
    waiting = subprocess.Popen(home.command("ask", "y"), env=home.env, stdin=subprocess.DEVNULL)
    wait_until(lambda: status(home).num_waiting == 1)
    waiting.kill()
    waiting.wait()
    wait_until(lambda: status(home).num_waiting == 0, AT_ONCE_S)
    first.close()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_stale_socket_is_replaced(home: UserHome) -> None:
    home.start_scripted().kill()
    wait_until(lambda: home.client.status() is None)
    assert home.paths.socket.exists()
    assert home.run("ask", "2+2").stdout == b"4\n"


@pytest.mark.slow
def test_a_stale_pid_of_a_stranger_is_never_signalled(home: UserHome) -> None:
    home.paths.state_dir.mkdir(mode=0o700, parents=True)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        home.paths.daemon_lock.write_text(f"{stranger.pid}\n")
        assert home.run("ask", "2+2").stdout == b"4\n"
        assert home.run("daemon", "down").returncode == 0
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("command", [("ps",), ("daemon", "status"), ("ask", "2+2")])
def test_a_daemon_that_was_stopped_is_told_with_what_to_do(
    home: UserHome, command: tuple[str, ...]
) -> None:
    daemon = home.start_scripted()
    daemon.send_signal(signal.SIGSTOP)
    wait_until(lambda: is_stopped(daemon.pid))
    began_s = time.monotonic()
    found = home.run(*command)
    assert found.returncode == 5
    assert f"(PID {daemon.pid}) is stopped" in found.stderr.decode()
    assert f"kill -CONT {daemon.pid}" in found.stderr.decode()
    assert time.monotonic() - began_s < 15
    assert home.run("daemon", "down").stdout == b"stopped\n"
    assert daemon.wait(5) == 0


def test_a_daemon_stopped_in_the_middle_of_an_answer_is_told_soon(home: UserHome) -> None:
    daemon = home.start_scripted("1000", "0.02")
    events = home.client.ask(say("x"))
    next(events)
    daemon.send_signal(signal.SIGSTOP)
    began_s = time.monotonic()
    with pytest.raises(DaemonUnreachable, match="is stopped"):
        list(events)
    assert time.monotonic() - began_s < 10
    daemon.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_daemon_that_hangs_is_told_and_ended_by_down(home: UserHome) -> None:
    home.paths.runtime_dir.mkdir(mode=0o700, parents=True)
    code = (
        "import socket, sys, time\n"
        "listener = socket.socket(socket.AF_UNIX)\n"
        "listener.bind(sys.argv[1])\n"
        "listener.listen()\n"
        "time.sleep(600)\n"
    )
    hanging = subprocess.Popen([sys.executable, "-c", code, str(home.paths.socket)])
    home.children.append(hanging)
    wait_until(home.paths.socket.exists)
    with pytest.raises(DaemonUnreachable, match="did not answer within 5 s") as caught:
        home.client.status()
    assert str(hanging.pid) in caught.value.message and "daemon down" in caught.value.hint
    assert home.client.stop(timeout_s=0.5)
    assert hanging.wait(5) == -signal.SIGKILL
    assert home.run("ask", "2+2").stdout == b"4\n"


def test_a_plain_file_in_the_sockets_place_is_left_alone(home: UserHome) -> None:
    home.paths.runtime_dir.mkdir(mode=0o700, parents=True)
    home.paths.socket.write_text("precious")
    found = home.run("ask", "2+2")
    assert found.returncode == 5 and b"not a socket of ours" in found.stderr
    assert home.paths.socket.read_text() == "precious"


def test_a_strangers_file_in_the_sockets_place_survives_the_daemons_end(home: UserHome) -> None:
    daemon = home.start_scripted()
    home.paths.socket.unlink()
    home.paths.socket.write_text("precious")
    daemon.terminate()
    assert daemon.wait(12) == 0
    assert home.paths.socket.read_text() == "precious"


@pytest.mark.slow
def test_a_home_with_a_long_name_works(home: UserHome) -> None:
    longer = UserHome(home.directory / ("y" * 110))
    longer.directory.mkdir()
    assert longer.run("ask", "2+2").stdout == b"4\n"
    longer.close()


def test_an_unwritable_home_is_an_error_with_advice(home: UserHome) -> None:
    blocked = UserHome(home.directory / "file" / "home")
    (home.directory / "file").write_text("")
    found = blocked.run("ask", "2+2")
    assert found.returncode == 1
    assert b"cannot write" in found.stderr and b"TIERCHAT_HOME" in found.stderr


def test_a_bug_is_an_error_with_the_log_and_the_daemon_lives(home: UserHome) -> None:
    home.start_scripted()
    found = home.run("ask", "boom")
    assert found.returncode == 1 and b"a bug in tierchat" in found.stderr
    assert home.run("ask", "x").stdout == b"0 1 2 3 4 \n"


def raw(home: UserHome, data: bytes, seconds: float = 2.0) -> bytes:
    """Send bytes as no well-behaved client would and return what comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(home.paths.socket))
        try:
            connection.sendall(data)
            found = b""
            while part := connection.recv(65536):
                found += part
        except (TimeoutError, ConnectionError):
            pass
    return found


@pytest.mark.slow
def test_hostile_requests_get_an_error_each_and_the_daemon_lives(home: UserHome) -> None:
    home.start_scripted()
    post = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    assert b" 431 " in raw(home, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
    assert b" 413 " in raw(home, post + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000)
    assert b" 408 " in raw(home, post + b"Content-Length: 50\r\n\r\n{")
    assert b" 400 " in raw(home, post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert b" 404 " in raw(home, b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert home.run("ask", "x").returncode == 0


def test_a_reader_that_stalls_is_dropped_and_others_are_not_held_up(home: UserHome) -> None:
    home.start_scripted("400", "0", "20000")
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.connect(str(home.paths.socket))
        body = b'{"stream":true,"messages":[{"role":"user","content":"x"}]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        stalled.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        wait_until(lambda: status(home).num_active == 1)
        assert len(list(home.client.ask(say("y")))) == 401
        wait_until(lambda: status(home).num_active == 0, 5)


def test_the_daemon_starts_without_what_only_commands_need() -> None:
    rare = ("importlib.metadata", "typer", "rich", "httpx", "llama_cpp", "sklearn")
    code = (
        "import sys, tierchat.service.daemon; print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *rare], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
