"""`--server`: the commands of one machine ask the tierchat of another."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path

import pytest

from tests.cli.test_chat import Talk
from tests.conftest import UserHome
from tests.service.network.test_serving import make_certificate
from tierchat import __version__
from tierchat.errors import UsageError
from tierchat.service.network.order import ServeOrder
from tierchat.service.network.serve_client import ServeClient
from tierchat.service.remote.address import parse_server


class Far:
    """A home elsewhere that serves, and a home here that has no daemon."""

    def __init__(self, home: UserHome, order: ServeOrder) -> None:
        self.there, self.here = home, UserHome(home.directory / "here")
        self.url = ServeClient(home.paths).open(order).url.removesuffix("/v1")
        self.key = home.paths.key_file.read_text().strip()

    def run(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command here that asks there; it must start no daemon here."""
        known = {"TIERCHAT_SERVER": self.url, "TIERCHAT_KEY": self.key, **(env or {})}
        found = self.here.run(*words, env=known)
        assert not self.here.paths.socket.exists()
        return found


@pytest.fixture
def far(home: UserHome) -> Far:
    home.start_scripted()
    return Far(home, ServeOrder(port=0))


def test_commands_ask_the_server_with_the_key_and_save_nothing(far: Far) -> None:
    asked = far.run("ask", "x")
    assert (asked.returncode, asked.stdout) == (0, b"0 1 2 3 4 \n")
    typed = far.run("ask", "x", "--server", f"{far.url}/v1", "--json", env={"TIERCHAT_SERVER": ""})
    assert json.loads(typed.stdout)["tier"] == "XS"
    assert far.run("ls").stdout == b"tierchat\nscript/XS\n"
    assert json.loads(far.run("ls", "--json").stdout) == ["tierchat", "script/XS"]
    shown = far.run("ps").stdout.decode()
    assert "script" in shown and "ready" in shown
    file = far.there.directory / "key"
    file.write_text(far.key)
    file.chmod(0o600)
    from_file = {"TIERCHAT_KEY": "", "TIERCHAT_SERVER_KEY_FILE": str(file)}
    assert far.run("ask", "x", env=from_file).returncode == 0
    for home in (far.here, far.there):
        assert not home.paths.log_file.exists()


def test_errors_of_the_server_keep_their_kind_hint_and_exit_code(far: Far) -> None:
    found = far.run("ask", "refuse")
    assert found.returncode == 7 and b"too long" in found.stderr and b"shorten it" in found.stderr
    found = far.run("ask", "refuse late")
    assert found.returncode == 7 and found.stdout == b"well \n"
    found = far.run("ask", "boom")
    assert found.returncode == 1 and b"a bug in tierchat" in found.stderr


WRONG: tuple[tuple[dict[str, str], int, str], ...] = (
    ({"TIERCHAT_KEY": ""}, 6, "asks for a key"),
    ({"TIERCHAT_KEY": "wrong-wrong-wrong"}, 6, "refused the key"),
    ({"TIERCHAT_KEY": "two words"}, 2, "TIERCHAT_KEY holds no key"),
    ({"TIERCHAT_SERVER": "http://127.0.0.1:1"}, 5, "nothing listens at http://127.0.0.1:1"),
    ({"TIERCHAT_SERVER": "http://no.such.name.invalid"}, 5, "no machine is named no.such"),
    ({"TIERCHAT_SERVER": "ftp://x"}, 2, "is no address"),
    ({"TIERCHAT_SERVER": "http://me:secret@x"}, 2, "more than host, port and path"),
)


def test_what_is_wrong_on_the_way_is_named_with_its_exit_code(far: Far) -> None:
    # The commands take turns: each asks in the same way.
    for (env, code, said), words in zip(WRONG, cycle((["ask", "x"], ["ls"], ["ps"])), strict=False):
        found = far.run(*words, env=env)
        assert found.returncode == code and said in found.stderr.decode()
        assert b"hint: " in found.stderr and b"Traceback" not in found.stderr
        assert far.key not in found.stderr.decode() and b"secret" not in found.stderr


def test_commands_for_this_machine_say_so(far: Far) -> None:
    for words in (["pull"], ["load", "x"], ["logs", "ls"]):
        found = far.run(*words)
        assert found.returncode == 2 and b"works on this machine" in found.stderr
        assert f"TIERCHAT_SERVER= tierchat {words[0]}" in found.stderr.decode()
    assert b"saved conversations are those of this machine" in far.run("ask", "-c", "x").stderr
    for words in (["config"], ["daemon", "status"]):
        assert b"works on this machine" not in far.run(*words).stderr


def test_a_chat_is_held_with_the_server(far: Far) -> None:
    talk = Talk(far.here, "--server", far.url, "-m", "script", TIERCHAT_KEY=far.key)
    try:
        talk.say("hello")
        talk.hear("0 1 2 3 4")
        talk.say("/model")
        talk.hear("script: XS")
        talk.say("/good")
        talk.hear("not saved")
        assert talk.leave() == 0
    finally:
        talk.child.close(force=True)
    assert not far.here.paths.socket.exists() and not far.here.paths.log_file.exists()


@pytest.mark.slow
def test_over_tls_the_certificate_must_be_trusted(home: UserHome, tmp_path: Path) -> None:
    home.start_scripted()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    far = Far(home, ServeOrder(port=0, tls_cert=str(cert), tls_key=str(key)))
    assert far.run("ask", "x", env={"SSL_CERT_FILE": str(cert)}).returncode == 0
    found = far.run("ask", "x")
    assert found.returncode == 6 and b"is not trusted" in found.stderr
    assert b"SSL_CERT_FILE" in found.stderr
    plain = {"TIERCHAT_SERVER": far.url.replace("https:", "http:")}
    found = far.run("ask", "x", env=plain)
    assert found.returncode == 6 and b"write https://" in found.stderr


@contextlib.contextmanager
def replying(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Listen and answer every connection alike; yields the address and what was received."""
    received: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    received.append(connection.recv(65536))
                    connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
        # A thread that waits in accept() is woken by a shutdown, not by a close.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (http("302 Found", "Location: http://evil.com/"), 6, "sends its clients to"),
        (http("200 OK", body=b"<html>"), 6, "is no tierchat"),
        (http("404 Not Found", body=b"<html>"), 6, "is no tierchat (404)"),
        (http("401 No", body=b"who are you"), 6, "refused the key"),
        (b"", 6, "closed the connection without an answer"),
        (
            f"HTTP/1.1 200 OK\r\nx-tierchat-version: {__version__}\r\nConnection: close\r\n\r\n"
            ": keep-alive\n\n".encode(),
            5,
            "was lost",
        ),
    ],
    ids=["redirect", "page", "missing", "bare 401", "nothing", "cut"],
)
def test_what_is_no_tierchat_is_told_and_gets_no_second_request(
    home: UserHome, reply: bytes, code: int, said: str
) -> None:
    with replying(reply) as (url, received):
        env = {"TIERCHAT_SERVER": url, "TIERCHAT_KEY": "a-key-of-some-length"}
        found = home.run("ask", "x", env=env)
    assert found.returncode == code and said in found.stderr.decode()
    assert len(received) == 1 and b"Bearer a-key-of-some-length" in received[0]
    # The home of a command is nothing for others.
    assert b"x-tierchat-home" not in received[0].lower()


def test_addresses_are_read_as_people_write_them() -> None:
    for text, url in (
        ("box", "http://box:8421"),
        ("192.168.1.5:9000", "http://192.168.1.5:9000"),
        ("http://box/", "http://box"),
        ("https://models.example.com/v1/", "https://models.example.com"),
        ("https://example.com:8443/nest/v1", "https://example.com:8443/nest"),
        ("http://[::1]:8421", "http://[::1]:8421"),
    ):
        assert parse_server(text).url == url
    for text in ("", "http://", "http://a:b", "ftp://a", "http://a b", "http://a/?key=1"):
        with pytest.raises(UsageError):
            parse_server(text)
    assert parse_server("http://10.0.0.5").is_readable_on_the_way
    assert not parse_server("https://10.0.0.5").is_readable_on_the_way
    assert not parse_server("127.0.0.1").is_readable_on_the_way


def test_a_plain_server_elsewhere_is_told_to_be_readable(home: UserHome) -> None:
    env = {"TIERCHAT_SERVER": "http://no.such.name.invalid", "TIERCHAT_KEY": "x" * 20}
    assert b"can be read on the way" in home.run("ask", "x", env=env).stderr
