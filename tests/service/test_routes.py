"""The HTTP service over a real socket: shapes, statuses, cancelled work, and who may connect."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import UserHome, wait_until
from tests.scripted_daemon import AT_ONCE_S
from tierchat.errors import ContextTooLong
from tierchat.events import Loading
from tierchat.service.http.limits import Limits
from tierchat.types import Message, Prompt


def request(*, stream: bool, text: str = "x", **fields: Any) -> bytes:
    turns = [{"role": "user", "content": text}]
    body = json.dumps({"messages": turns, "stream": stream, **fields}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


@contextlib.contextmanager
def sent(home: UserHome, data: bytes) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(home.paths.socket))
        connection.sendall(data)
        yield connection


def reply(home: UserHome, data: bytes) -> tuple[int, bytes, bytes]:
    """Send a request and return status, head and body of what comes back."""
    with sent(home, data) as connection:
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = found.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.lower(), unchunked(body) if b"chunked" in head else body


def unchunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        found, body = found + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return found


def allow(home: UserHome, max_active: int, max_waiting: int = 64) -> None:
    (home.directory / "config").mkdir()
    text = f"max_active = {max_active}\nmax_waiting = {max_waiting}\n"
    (home.directory / "config" / "config.toml").write_text(text)


def count(home: UserHome, name: str) -> int:
    found = home.client.status()
    assert found
    return int(getattr(found, name))


def test_a_whole_answer_is_a_chat_completion(scripted: UserHome) -> None:
    status, head, body = reply(scripted, request(stream=False))
    found = json.loads(body)
    assert status == 200 and b"application/json" in head
    assert found["object"] == "chat.completion"
    assert found["choices"][0]["message"]["content"] == "0 1 2 3 4 "
    assert found["x_tierchat"]["tier"] == "XS"


def test_a_stream_is_server_sent_events_that_end_with_done(home: UserHome) -> None:
    home.start_scripted("3")
    status, head, body = reply(home, request(stream=True))
    *lines, last, end = body.split(b"\n\n")
    assert status == 200 and b"text/event-stream" in head
    assert (last, end) == (b"data: [DONE]", b"")
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta.get("content") for delta in deltas[1:]] == ["0 ", "1 ", "2 ", None]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] == 3
    assert chunks[-1]["x_tierchat"]["type"] == "done"


@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_openais_shape_and_their_own_status(scripted: UserHome, stream: bool) -> None:
    status, _, body = reply(scripted, request(stream=stream, text="refuse"))
    error = json.loads(body)["error"]
    assert status == 400 and error["code"] == "context_length_exceeded"
    assert error["hint"] == "shorten it"
    status, _, body = reply(scripted, request(stream=stream, text="boom"))
    error = json.loads(body)["error"]
    assert status == 500 and str(scripted.paths.daemon_log) in error["hint"]
    assert "ZeroDivision" not in body.decode()
    status, _, body = reply(scripted, request(stream=stream, max_tokens=-3))
    error = json.loads(body)["error"]
    assert status == 400 and error["param"] == "max_tokens" and "-3" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_after_a_hop_still_has_its_own_status(scripted: UserHome, stream: bool) -> None:
    status, _, body = reply(scripted, request(stream=stream, text="refuse above"))
    assert status == 400 and json.loads(body)["error"]["code"] == "context_length_exceeded"


def test_our_own_commands_see_a_hop_before_the_error(scripted: UserHome) -> None:
    events = []
    prompt = Prompt(messages=(Message(role="user", content="refuse above"),))
    with pytest.raises(ContextTooLong):
        events.extend(scripted.client.ask(prompt))
    for event in (first := scripted.client.ask(prompt)):
        assert isinstance(event, Loading)
        break
    first.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "code"), [("refuse late", "context_length_exceeded"), ("end", "engine_crashed")]
)
def test_a_stream_ends_with_an_error_or_with_done(scripted: UserHome, text: str, code: str) -> None:
    status, _, body = reply(scripted, request(stream=True, text=text))
    last = body.strip().split(b"\n\n")[-1].removeprefix(b"data: ")
    error = json.loads(last)["error"]
    assert error["code"] == code and status == (200 if text == "refuse late" else 500)
    assert b"[DONE]" not in body


@pytest.mark.parametrize("stream", [False, True])
def test_a_name_that_is_not_utf8_travels(scripted: UserHome, stream: bool) -> None:
    status, _, body = reply(scripted, request(stream=stream, text="odd"))
    assert status == 404 and json.loads(body)["error"]["message"] == r"no file \xff.gguf"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (b"application/json", 200),
        (b"Application/JSON; charset=UTF-8", 200),
        (b"APPLICATION/JSON;charset=utf-8", 200),
        (b"text/plain", 415),
    ],
)
def test_the_content_type_has_no_case(scripted: UserHome, kind: bytes, status: int) -> None:
    sent = request(stream=False).replace(b"application/json", kind)
    found, _, body = reply(scripted, sent)
    assert found == status
    if status == 400:
        error = json.loads(body)["error"]
        assert error["param"] == "content-type" and "text/plain" in error["message"]


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def test_models_are_listed_and_found_by_their_ids(scripted: UserHome) -> None:
    found = json.loads(reply(scripted, get("/v1/models"))[2])
    assert found["object"] == "list"
    assert [model["id"] for model in found["data"]] == ["tierchat", "script/XS"]
    for model in found["data"]:
        status, _, body = reply(scripted, get(f"/v1/models/{model['id']}"))
        assert status == 200 and json.loads(body) == model
        assert model["created"] == 7 and model["object"] == "model"
        # Anthropic's clients read the same list.
        assert model["type"] == "model" and model["display_name"] == model["id"]
        assert model["created_at"] == "1970-01-01T00:00:07+00:00"
    assert not found["has_more"]
    assert (found["first_id"], found["last_id"]) == ("tierchat", "script/XS")
    escaped = reply(scripted, get("/v1/models/script%2FXS"))
    assert escaped[0] == 200
    for unknown in ("script/XXS", "%ED%A0%80", "nothing%20at%20all"):
        status, _, body = reply(scripted, get(f"/v1/models/{unknown}"))
        error = json.loads(body)["error"]
        assert status == 404 and error["code"] == "model_not_found"
        assert error["param"] == "model" and error["hint"]


def test_the_excess_gets_503_and_a_time_to_come_back_at_once(home: UserHome) -> None:
    allow(home, max_active=1, max_waiting=0)
    home.start_scripted("1000", "0.02")
    with sent(home, request(stream=True)) as first:
        assert first.recv(1)
        began_s = time.monotonic()
        status, head, body = reply(home, request(stream=True))
        assert status == 503 and b"retry-after: 2" in head
        assert json.loads(body)["error"]["code"] == "overloaded"
        assert time.monotonic() - began_s < 0.5


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_answer_or_queue_is_gone_at_once(home: UserHome, stream: bool) -> None:
    allow(home, max_active=1)
    home.start_scripted("1000", "0.02")
    with sent(home, request(stream=stream)):
        wait_until(lambda: count(home, "num_active") == 1)
        with sent(home, request(stream=stream)):
            wait_until(lambda: count(home, "num_waiting") == 1)
        wait_until(lambda: count(home, "num_waiting") == 0, AT_ONCE_S)
    wait_until(lambda: count(home, "num_active") == 0, AT_ONCE_S)
    found = home.client.status()
    # The script counts answers whose generator was closed; the queued one never began.
    assert found and found.workers[0].num_crashes == 1


def test_a_wait_in_the_queue_shows_signs_of_life(home: UserHome) -> None:
    """A client that hears nothing for long would take the daemon for dead."""
    allow(home, max_active=1)
    home.start_scripted("1000", "0.02")
    with sent(home, request(stream=True)) as first:
        assert first.recv(1)
        with sent(home, request(stream=True, text="refuse")) as queued:
            found = b""
            while b": keep-alive" not in found:
                found += queued.recv(65536)
            assert b" 200 " in found
            first.close()
            found += b"".join(iter(lambda: queued.recv(65536), b""))
    # The status is out by then: the error travels in the stream.
    assert b"context_length_exceeded" in found and b"[DONE]" not in found


def test_memory_is_flat_under_a_body_without_end(home: UserHome) -> None:
    daemon = home.start_scripted()

    def resident_kb() -> int:
        text = Path(f"/proc/{daemon.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0])

    head = request(stream=False).split(b"Content-Length")[0]
    before = resident_kb()
    with sent(home, head + b"Content-Length: 1000000000\r\n\r\n") as connection:
        for _ in range(100):
            try:
                connection.sendall(b"x" * 1_000_000)
            except (BrokenPipeError, ConnectionResetError):
                break
        assert b" 413 " in connection.recv(65536)
    assert resident_kb() - before < 10_000


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_another_user_is_hung_up_on_even_where_the_directory_lets_them_in(home: UserHome) -> None:
    home.start_scripted()
    for directory in (home.directory, home.paths.runtime_dir):
        directory.chmod(0o711)
    home.paths.socket.chmod(0o666)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(5)
        # The kernel notes the effective user at the moment of connecting.
        os.seteuid(65534)
        try:
            stranger.connect(str(home.paths.socket))
        finally:
            os.seteuid(0)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stranger.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stranger.recv(1) == b""
    assert home.client.status()


def test_twenty_at_once_leave_nothing_running(home: UserHome) -> None:
    allow(home, max_active=4, max_waiting=20)
    home.start_scripted("5", "0.01")
    found: list[int] = []

    def ask(stream: bool) -> None:
        found.append(reply(home, request(stream=stream))[0])

    threads = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [200] * 20
    assert count(home, "num_active") == count(home, "num_waiting") == 0


def test_a_head_that_never_ends_is_given_up(home: UserHome) -> None:
    home.start_scripted()
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    with sent(home, get) as slow:
        assert b" 408 " in slow.recv(65536) and slow.recv(1) == b""
    with sent(home, get + b"\r\n") as second:
        assert b" 200 " in second.recv(65536)
        second.sendall(get)
        found = b"".join(iter(lambda: second.recv(65536), b""))
        assert b" 408 " in found


def test_a_reader_that_stalls_leaves_no_connection_behind(home: UserHome) -> None:
    daemon = home.start_scripted("400", "0", "20000")
    files = Path(f"/proc/{daemon.pid}/fd")
    before = len(list(files.iterdir()))
    with sent(home, request(stream=True)), sent(home, request(stream=False)):
        wait_until(lambda: count(home, "num_active") > 0)
        wait_until(lambda: len(list(files.iterdir())) <= before, 5)


def test_the_shipped_limits_are_those_we_promise() -> None:
    limits = Limits()
    assert (limits.stall_s, limits.keep_alive_s) == (60.0, 15.0)
    assert limits.max_body_bytes == 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("data", "status", "why"),
    [
        (b"nonsense\r\n\r\n", 400, "illegal request line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "illegal request line"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Missing mandatory Host: header"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431, "Receive buffer too long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431, "too long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "chunked"),
    ],
)
def test_what_is_no_http_is_an_error_in_json(
    scripted: UserHome, data: bytes, status: int, why: str
) -> None:
    found, head, body = reply(scripted, data)
    error = json.loads(body)["error"]
    assert found == status and b"content-type: application/json" in head
    assert error["code"] == "malformed_http" and why in error["message"]


def test_what_is_no_http_waits_for_the_answer_before_it(scripted: UserHome) -> None:
    sound = request(stream=True).replace(b"Connection: close\r\n", b"")
    with sent(scripted, sound + b"nonsense\r\n\r\n") as connection:
        found = b"".join(iter(lambda: connection.recv(65536), b""))
    answer, _, error = found.partition(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b" 200 " in answer and error.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        (b"GET /v1/nothing", 404, "not_found"),
        (b"GET /v1/chat/completions", 405, "method_not_allowed"),
    ],
)
def test_a_wrong_path_or_method_is_an_error_in_json(
    scripted: UserHome, line: bytes, status: int, code: str
) -> None:
    found, head, body = reply(scripted, line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert found == status and b"application/json" in head
    assert json.loads(body)["error"]["code"] == code
    assert (b"allow: post" in head) == (status == 405)
