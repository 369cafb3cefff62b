"""The client against the real daemon, and against one that says strange things."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import msgspec
import pytest

from tests.conftest import UserHome, wait_until
from tierchat import __version__
from tierchat.cascade.ledger import Ledger
from tierchat.errors import ContextTooLong, DaemonUnreachable, Overloaded, TierchatError
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Notice, ThoughtDelta
from tierchat.outcomes import Usage, Visit
from tierchat.service.client import Client
from tierchat.service.openai_replies import chunk
from tierchat.types import Message, Prompt


def say(text: str) -> Prompt:
    return Prompt(messages=(Message(role="user", content=text),))


def read_request(connection: socket.socket) -> None:
    with connection.makefile("rb") as file:
        size = 0
        while (line := file.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        file.read(size)


@contextlib.contextmanager
def fake_daemon(home: UserHome, *replies: bytes) -> Iterator[None]:
    """Listen where the daemon would and answer each connection with the next reply."""
    home.paths.runtime_dir.mkdir(mode=0o700, parents=True)

    def serve() -> None:
        for data in replies:
            connection, _ = listener.accept()
            with connection:
                read_request(connection)
                connection.sendall(data)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.paths.socket))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)
    home.paths.socket.unlink()


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def events_of(*events: CascadeEvent, version: str = __version__) -> bytes:
    lines = [b"data: " + msgspec.json.encode(chunk("id", 0, event)) + b"\n\n" for event in events]
    body = b"".join(lines) + b"data: [DONE]\n\n"
    return http(body, "200 OK", f"x-tierchat-version: {version}")


def done() -> Done:
    ledger = Ledger(lambda _tier: 1.0, "M")
    usage = Usage(prompt_tokens=5, generated_tokens=1)
    ledger.add("S", "pocket-s", "stop", usage, is_answer=True)
    return Done(outcome=ledger.close("", "", "stop", 0.1))


def test_an_answer_comes_back_whole_with_the_last_tiers_thought(home: UserHome) -> None:
    hop = Hop(visit=Visit(tier="XS", model="pocket-xs", reason="hard"), target="S")
    events = (
        ThoughtDelta(tier="XS", text="hm"),
        hop,
        ThoughtDelta(tier="S", text="two "),
        ThoughtDelta(tier="S", text="twos"),
        AnswerDelta(text="4"),
        AnswerDelta(text="!"),
    )
    with fake_daemon(home, events_of(*events, done())):
        *found, last = home.client.ask(say("2+2"))
    assert tuple(found) == events
    assert isinstance(last, Done)
    assert (last.outcome.answer, last.outcome.thought) == ("4!", "two twos")


def test_without_a_daemon_that_may_be_started_the_error_has_exit_code_5(home: UserHome) -> None:
    assert home.client.status() is None
    assert home.client.stop() is False
    with pytest.raises(DaemonUnreachable, match="not running") as caught:
        list(home.client.ask(say("x")))
    assert caught.value.exit_code == 5 and "daemon up" in caught.value.hint


def test_errors_keep_their_kind_hint_and_exit_code(home: UserHome) -> None:
    home.start_scripted()
    with pytest.raises(ContextTooLong, match="too long") as caught:
        list(home.client.ask(say("refuse")))
    assert caught.value.exit_code == 7 and caught.value.hint == "shorten it"


def test_an_overloaded_daemon_says_when_to_come_back(home: UserHome) -> None:
    error = {"message": "full", "code": "overloaded", "hint": "soon", "retry_after_s": 7}
    full = http(json.dumps({"error": error}).encode(), "503 Busy")
    with fake_daemon(home, full), pytest.raises(Overloaded, match="full") as caught:
        list(home.client.ask(say("x")))
    assert caught.value.retry_after_s == 7 and caught.value.exit_code == 5


def test_a_prompt_larger_than_the_service_takes_is_refused_by_name(home: UserHome) -> None:
    home.start_scripted()
    with pytest.raises(TierchatError, match="larger than 100000 bytes"):
        list(home.client.ask(say("x" * 3_000_000)))


def test_another_version_gives_a_notice_and_its_added_keys_do_no_harm(home: UserHome) -> None:
    newer = events_of(AnswerDelta(text="4"), done(), version="99.0")
    newer = newer.replace(b'"outcome":{', b'"outcome":{"added_later":1,')
    with fake_daemon(home, newer):
        notice, _, last = home.client.ask(say("2+2"))
    assert isinstance(notice, Notice) and "99.0" in notice.text and __version__ in notice.text
    assert isinstance(last, Done) and last.outcome.answer == "4"


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"choices":[]}\n\n',
        b'data: {"choices":[{"delta":{}}],"x_tierchat":{"type":"done","outcome":{}}}\n\n',
        b'data: {"choices":[{"delta":{}}],"x_tierchat":{"type":"hop","later":1}}\n\n',
        b"data: nonsense\n\n",
        b"data: []\n\n",
    ],
)
def test_a_stream_it_cannot_read_is_an_error_with_advice(home: UserHome, body: bytes) -> None:
    data = http(body, "200 OK", f"x-tierchat-version: {__version__}")
    with fake_daemon(home, data), pytest.raises(DaemonUnreachable, match="version") as caught:
        list(home.client.ask(say("x")))
    assert "daemon down" in caught.value.hint


def test_a_status_in_unknown_words_is_an_error_with_advice(home: UserHome) -> None:
    with (
        fake_daemon(home, http(b'{"pid":1,"added_later":2}')),
        pytest.raises(DaemonUnreachable, match="another version"),
    ):
        home.client.status()


@pytest.mark.parametrize("status", ["200 OK", "503 Busy"])
def test_a_reply_cut_short_is_a_lost_connection(home: UserHome, status: str) -> None:
    data = http(b'data: {"choi', status, "Content-Length: 1000")
    if status == "200 OK":
        data = http(b": keep-alive\n\n", status, f"x-tierchat-version: {__version__}")
    with fake_daemon(home, data), pytest.raises(DaemonUnreachable, match="lost") as caught:
        list(home.client.ask(say("x")))
    assert "next command starts it" in caught.value.hint


def test_start_and_stop_are_what_they_say(home: UserHome) -> None:
    client = Client(home.paths)
    home.start_scripted()
    first, again = client.start(), client.start()
    assert first.pid == again.pid and first.version == __version__
    assert client.stop() is True
    assert client.status() is None and client.stop() is False


@pytest.mark.slow
def test_a_relative_home_is_the_same_for_the_daemon(home: UserHome) -> None:
    # Seen from / too, where daemons start, this name stays below the temporary directory.
    relative = (home.directory / "x").relative_to("/")
    there = UserHome(home.directory / relative)
    try:
        asked = subprocess.run(
            home.command("ask", "2+2"),
            env={**home.env, "TIERCHAT_HOME": str(relative)},
            cwd=home.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert asked.stdout == b"4\n", asked.stderr
    finally:
        there.close()
        UserHome(home.directory / "x").close()


KEEPS_THE_INTERRUPT = """
import sys, time
from tests.conftest import UserHome
from pathlib import Path
from tierchat.types import Message, Prompt
home = UserHome(Path(sys.argv[1]))
try:
    list(home.client.ask(Prompt(messages=(Message(role="user", content="x"),))))
except KeyboardInterrupt as error:
    kept = error
    print("interrupted", flush=True)
    time.sleep(30)
"""


@pytest.mark.parametrize("place", ["num_active", "num_waiting"])
def test_ctrl_c_cancels_the_work_even_while_the_program_lives_on(
    home: UserHome, place: str
) -> None:
    """The traceback holds the connection: only closing it on purpose tells the daemon."""
    (home.directory / "config").mkdir()
    (home.directory / "config" / "config.toml").write_text("max_active = 1\n")
    home.start_scripted("1000", "0.02")
    first = home.client.ask(say("x"))
    if place == "num_waiting":
        next(first)

    def number() -> int:
        found = home.client.status()
        assert found
        return int(getattr(found, place))

    child = subprocess.Popen(
        [sys.executable, "-c", KEEPS_THE_INTERRUPT, str(home.directory)],
        env={**home.env, "PYTHONPATH": "."},
        stdout=subprocess.PIPE,
    )
    try:
        wait_until(lambda: number() == 1)
        child.send_signal(signal.SIGINT)
        assert child.stdout and child.stdout.readline() == b"interrupted\n"
        wait_until(lambda: number() == 0, 1)
    finally:
        child.kill()
        child.communicate()
        first.close()  # type: ignore[attr-defined]


def test_importing_it_loads_no_service_and_no_event_loop() -> None:
    heavy = "asyncio starlette uvicorn httpx llama_cpp numpy rich platformdirs"
    code = (
        "import sys, tierchat.service.client; "
        f"sys.exit(' '.join(m for m in '{heavy}'.split() if m in sys.modules) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
