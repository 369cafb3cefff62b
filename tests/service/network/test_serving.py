"""The endpoint over real TCP, with and without TLS: who gets in, who is cut off, what it costs."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import UserHome, wait_until
from tierchat.errors import TierchatError, UsageError
from tierchat.service.network.order import ServeEvent, ServeOrder
from tierchat.service.network.serve_client import ServeClient

PAGE = "https://chat.example.com"
JSON = {"Content-Type": "application/json"}


def body(text: str = "x", **fields: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}], **fields}).encode()


class Endpoint:
    """A scripted daemon that listens on TCP."""

    def __init__(self, home: UserHome, order: ServeOrder) -> None:
        self.home = home
        self.status = ServeClient(home.paths).open(order)
        self.url = urlsplit(self.status.url)
        self.key = home.paths.key_file.read_text().strip() if order.has_key else ""
        self.auth = {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def address(self) -> tuple[str, int]:
        assert self.url.hostname and self.url.port
        return self.url.hostname, self.url.port

    def request(
        self, method: str, path: str, data: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, data, named)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def ask(self, text: str = "x", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        return self.request("POST", "/v1/chat/completions", body(text), **JSON, **headers)

    def raw(self, data: bytes, seconds: float = 6.0) -> bytes:
        """Send bytes as no well-behaved client would; returns all until the end."""
        with socket.create_connection(self.address, timeout=seconds) as connection:
            connection.sendall(data)
            return all_of(connection)

    @property
    def log(self) -> str:
        return self.home.paths.daemon_log.read_text() if self.home.paths.daemon_log.exists() else ""


def all_of(connection: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            found += part
    return found


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """One endpoint for all tests that only ask it."""
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        home = UserHome(Path(directory))
        home.start_scripted()
        yield Endpoint(home, ServeOrder(port=0, origins=(PAGE,)))
        home.close()


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody signed but itself, and its private key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    make_certificate(cert, key)
    return cert, key


def make_certificate(cert: Path, key: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost -addext"
    names = ("subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert))
    subprocess.run([*command.split(), *names], check=True, capture_output=True)


def test_the_same_application_answers_over_tcp_with_the_key(endpoint: Endpoint) -> None:
    status, headers, reply = endpoint.ask(**endpoint.auth)
    assert status == 200 and headers["x-tierchat-tier"] == "XS"
    assert json.loads(reply)["choices"][0]["message"]["content"] == "0 1 2 3 4 "
    status, _, reply = endpoint.request("GET", "/v1/models", x_api_key=endpoint.key)
    assert status == 200 and json.loads(reply)["data"][0]["id"] == "tierchat"
    status, headers, reply = endpoint.request(
        "POST", "/v1/chat/completions", body(stream=True), **JSON, **endpoint.auth
    )
    assert headers["x-tierchat-tier"] == "XS" and reply.endswith(b"data: [DONE]\n\n")
    # Nobody is told which server this is, and the Unix socket answers as before.
    assert headers["server"] is None
    assert endpoint.home.run("ask", "x").stdout == b"0 1 2 3 4 \n"


def test_a_request_without_the_key_gets_openais_error_and_nothing_is_asked(
    endpoint: Endpoint,
) -> None:
    status, headers, reply = endpoint.ask()
    error = json.loads(reply)["error"]
    assert (status, error["code"]) == (401, "invalid_api_key")
    assert error["type"] == "invalid_request_error" and "--show-key" in error["hint"]
    assert headers["www-authenticate"] == "Bearer" and headers["connection"] == "close"
    assert endpoint.ask(Authorization="Bearer wrong")[0] == 401
    status, _, reply = endpoint.request("GET", f"/v1/models?api_key={endpoint.key}")
    assert status == 401 and endpoint.key not in reply.decode()
    assert endpoint.key not in endpoint.log
    assert headers["access-control-allow-origin"] is None
    status, _, reply = endpoint.request("POST", "/v1/messages", b"{}", **JSON)
    error = json.loads(reply)
    assert (status, error["type"]) == (401, "error")
    assert error["error"]["type"] == "authentication_error"


def test_the_rules_hold_for_a_key_that_changes_while_the_daemon_runs(home: UserHome) -> None:
    home.start_scripted()
    endpoint = Endpoint(home, ServeOrder(port=0))
    old = endpoint.auth
    made = endpoint.home.run("serve", "--new-key")
    new = made.stdout.decode().strip()
    assert made.returncode == 0 and new.startswith("tc-")
    assert endpoint.ask(**old)[0] == 401
    assert endpoint.ask(Authorization=f"Bearer {new}")[0] == 200
    assert endpoint.home.run("serve", "--show-key").stdout.decode().strip() == new


@pytest.mark.parametrize("host", ["evil.com", "box.local", "10.0.0.5:8421"])
def test_a_rebound_name_is_refused(endpoint: Endpoint, host: str) -> None:
    status, _, reply = endpoint.ask(Host=host, **endpoint.auth)
    assert status == 403 and json.loads(reply)["error"]["code"] == "forbidden"


def test_requests_without_one_host_get_400(endpoint: Endpoint) -> None:
    end = b"Authorization: Bearer " + endpoint.key.encode() + b"\r\nConnection: close\r\n\r\n"
    assert b" 400 " in endpoint.raw(b"GET /v1/models HTTP/1.0\r\n" + end)
    assert b" 400 " in endpoint.raw(b"GET /v1/models HTTP/1.1\r\n" + end)
    doubled = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n" + end
    assert b" 400 " in endpoint.raw(doubled)


def test_a_foreign_page_gets_403_and_no_word_that_lets_it_read(endpoint: Endpoint) -> None:
    text_plain = {"Content-Type": "text/plain"}
    before = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x"}
    for origin in ("https://evil.com", "null", "http://localhost:3000"):
        for method, sent, more in (
            ("GET", None, {}),
            ("POST", body(), text_plain),
            ("POST", body(), JSON),
            ("OPTIONS", None, before),
        ):
            status, headers, _ = endpoint.request(
                method, "/v1/chat/completions", sent, Origin=origin, **endpoint.auth, **more
            )
            assert status == 403
            assert not [name for name in headers if name.lower().startswith("access-control")]
    # Without an Origin, as a form or a tool sends it, the body must be JSON.
    path = "/v1/chat/completions"
    assert endpoint.request("POST", path, body(), **text_plain, **endpoint.auth)[0] == 415
    found = endpoint.home.client.status()
    assert found and not found.workers[0].num_crashes


def test_a_named_page_may_ask_and_read_and_no_other_word_is_said(endpoint: Endpoint) -> None:
    wanted = "authorization, content-type, x-stainless-lang"
    status, headers, reply = endpoint.request(
        "OPTIONS",
        "/v1/chat/completions",
        Origin=PAGE,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers=wanted,
    )
    assert (status, reply) == (204, b"")
    assert headers["access-control-allow-origin"] == PAGE and headers["vary"] == "Origin"
    assert headers["access-control-allow-headers"] == wanted
    assert "POST" in headers["access-control-allow-methods"]
    assert headers["access-control-allow-credentials"] is None
    status, headers, _ = endpoint.ask(Origin=PAGE, **endpoint.auth)
    assert status == 200 and headers["access-control-allow-origin"] == PAGE
    # The page can read why it was refused, too.
    status, headers, _ = endpoint.ask(Origin=PAGE)
    assert status == 401 and headers["access-control-allow-origin"] == PAGE


def test_nothing_that_changes_the_daemon_is_reached_over_tcp(endpoint: Endpoint) -> None:
    for path in ("shutdown", "load", "unload", "reload", "log", "serve", "unserve"):
        for spelt in (f"/tierchat/{path}", f"/%74ierchat/{path}"):
            assert endpoint.request("POST", spelt, b"{}", **JSON, **endpoint.auth)[0] == 403
    status, _, reply = endpoint.request("GET", "/tierchat/status", **endpoint.auth)
    assert status == 200 and json.loads(reply)["default_cascade"] == "pocket"
    saving = {"x_tierchat": {"save": {"conversation": "a" * 8, "exchange": "b" * 8}}}
    status, _, reply = endpoint.request(
        "POST", "/v1/chat/completions", body(**saving), **JSON, **endpoint.auth
    )
    assert status == 400 and json.loads(reply)["error"]["param"] == "x_tierchat.save"


@pytest.mark.slow
def test_clients_that_drip_are_cut_off_in_time_and_others_are_served(endpoint: Endpoint) -> None:
    post = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n"
    )
    keyed = post + b"x-api-key: " + endpoint.key.encode() + b"\r\n"
    slow = {
        "a head": (b"GET /v1/models HTTP/1.1\r\nX-Slow: ", b"408"),
        "nothing at all": (b"", b"408"),
        "a body with the key": (keyed + b"Content-Length: 90000\r\n\r\n", b"408"),
        "a body without it": (post + b"Content-Length: 90000\r\n\r\n", b"401"),
        "a body that nobody reads": (
            keyed.replace(b"POST /v1/chat/completions", b"GET /v1/models")
            + b"Content-Length: 90000\r\n\r\n",
            b"200",
        ),
    }
    with contextlib.ExitStack() as stack:
        sockets = {}
        for name, (data, _) in slow.items():
            connection = stack.enter_context(socket.create_connection(endpoint.address, timeout=9))
            connection.sendall(data)
            sockets[name] = connection
        began_s = time.monotonic()
        dripping = set(sockets)
        replies: dict[str, bytes] = dict.fromkeys(sockets, b"")
        while dripping:
            assert time.monotonic() - began_s < 8, f"still open: {dripping}"
            for name in list(dripping):
                connection = sockets[name]
                try:
                    if name != "nothing at all":
                        connection.sendall(b"a")
                    connection.settimeout(0.05)
                    part = connection.recv(65536)
                    replies[name] += part
                    if not part:
                        dripping.discard(name)
                except TimeoutError:
                    continue
                except OSError:
                    dripping.discard(name)
            # Meanwhile others are answered.
            assert endpoint.ask(**endpoint.auth)[0] == 200
    for name, (_, expected) in slow.items():
        assert b" " + expected + b" " in replies[name].partition(b"\r\n")[0], name


def test_too_large_heads_and_bodies_and_bad_chunks_get_an_error_each(endpoint: Endpoint) -> None:
    post = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nx-api-key: " + endpoint.key.encode() + b"\r\n"
    )
    huge = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"
    assert b" 431 " in endpoint.raw(huge)
    assert b" 413 " in endpoint.raw(post + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000)
    assert b" 400 " in endpoint.raw(post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert b" 400 " in endpoint.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert endpoint.ask(**endpoint.auth)[0] == 200


def test_more_connections_than_allowed_are_turned_away_at_once(endpoint: Endpoint) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            idle = stack.enter_context(socket.create_connection(endpoint.address, timeout=5))
            idle.sendall(b"GET /v1/models HTTP/1.1\r\n")
        began_s = time.monotonic()
        reply = endpoint.raw(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 503 " in reply and b"Retry-After" in reply and b'"code":"overloaded"' in reply
        assert time.monotonic() - began_s < 1
    wait_until(lambda: endpoint.ask(**endpoint.auth)[0] == 200)


def test_an_idle_connection_is_kept_for_a_while_and_then_closed(endpoint: Endpoint) -> None:
    connection = http.client.HTTPConnection(*endpoint.address, timeout=10)
    with contextlib.closing(connection):
        for _ in range(2):
            connection.request("GET", "/v1/models", headers=endpoint.auth)
            assert connection.getresponse().read()
            time.sleep(0.3)
        assert connection.sock
        began_s = time.monotonic()
        assert connection.sock.recv(1) == b""
        assert time.monotonic() - began_s < 5


def test_a_client_that_leaves_cancels_its_work(home: UserHome) -> None:
    home.start_scripted("1000", "0.02")
    endpoint = Endpoint(home, ServeOrder(port=0))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-api-key: {endpoint.key}\r\n"
    data = body(stream=True)
    with socket.create_connection(endpoint.address, timeout=5) as connection:
        connection.sendall(head.encode() + b"Content-Type: application/json\r\nContent-Length: ")
        connection.sendall(b"%d\r\n\r\n" % len(data) + data)
        assert connection.recv(1000)
    wait_until(lambda: home.client.status().workers[0].num_crashes == 1, 3)  # type: ignore[union-attr]


def test_tls_is_spoken_with_the_certificate_and_nothing_else_is(
    home: UserHome, signed: tuple[Path, Path]
) -> None:
    home.start_scripted()
    cert, key = signed
    endpoint = Endpoint(home, ServeOrder(port=0, tls_cert=str(cert), tls_key=str(key)))
    assert endpoint.status.url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(cert))
    connection = http.client.HTTPSConnection(*endpoint.address, timeout=10, context=trusting)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/models", headers=endpoint.auth)
        assert connection.getresponse().status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        socket_to(endpoint, ssl.create_default_context())
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(cert)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    socket_to(endpoint, old).close()
    assert endpoint.raw(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")[:4] != b"HTTP"


@pytest.mark.slow
def test_handshakes_that_never_end_count_and_are_cut_off(
    home: UserHome, signed: tuple[Path, Path]
) -> None:
    home.start_scripted()
    cert, key = signed
    endpoint = Endpoint(home, ServeOrder(port=0, tls_cert=str(cert), tls_key=str(key)))
    trusting = ssl.create_default_context(cafile=str(cert))
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(socket.create_connection(endpoint.address, timeout=5))
        time.sleep(0.2)
        with pytest.raises(OSError):
            socket_to(endpoint, trusting)

        def is_served() -> bool:
            try:
                socket_to(endpoint, trusting).close()
            except OSError:
                return False
            return True

        wait_until(is_served, 5)


@pytest.mark.slow
def test_a_renewed_certificate_is_used_without_a_restart(home: UserHome, tmp_path: Path) -> None:
    home.start_scripted()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    endpoint = Endpoint(home, ServeOrder(port=0, tls_cert=str(cert), tls_key=str(key)))
    before = ssl.get_server_certificate(endpoint.address)
    cert.write_text("half a certificate")
    assert ssl.get_server_certificate(endpoint.address) == before
    make_certificate(cert, key)
    assert ssl.get_server_certificate(endpoint.address) != before


def test_certificates_that_cannot_be_used_are_told_and_no_password_is_asked(
    home: UserHome, signed: tuple[Path, Path], tmp_path: Path
) -> None:
    home.start_scripted()
    cert, key = signed
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x"]
    subprocess.run([*command, "-out", str(locked)], check=True, capture_output=True)
    for given, said in (
        ((cert, locked), "is encrypted"),
        ((cert, cert), "cannot use"),
        ((tmp_path / "none.pem", key), "cannot read"),
    ):
        with pytest.raises(UsageError, match=said):
            Endpoint(home, ServeOrder(port=0, tls_cert=str(given[0]), tls_key=str(given[1])))
    found = ServeClient(home.paths).status()
    assert found and not found.url


def socket_to(endpoint: Endpoint, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(endpoint.address, timeout=5)
    try:
        return context.wrap_socket(plain, server_hostname=endpoint.address[0])
    except BaseException:
        plain.close()
        raise


@contextlib.contextmanager
def leased(home: UserHome, order: ServeOrder) -> Iterator[Iterator[ServeEvent]]:
    events = ServeClient(home.paths).lease(order)
    try:
        yield events
    finally:
        events.close()  # type: ignore[attr-defined]


def test_listening_ends_with_the_command_that_ordered_it_and_tells_of_requests(
    home: UserHome,
) -> None:
    home.start_scripted()
    with leased(home, ServeOrder(port=0)) as events:
        status = next(events).status
        assert status and status.url
        endpoint = Endpoint.__new__(Endpoint)
        endpoint.url = urlsplit(status.url)
        assert endpoint.ask("a secret question", x_api_key="wrong")[0] == 401
        served = next(events).served
        assert served and (served.path, served.status) == ("/v1/chat/completions", 401)
        assert "secret" not in str(served) and "wrong" not in str(served)
        # A key in the URL is not repeated, wherever in it.
        key = home.paths.key_file.read_text().strip()
        assert endpoint.request("GET", f"/v1/{key}")[0] == 401
        served = next(events).served
        assert served and served.path == "(withheld)"
    wait_until(lambda: not ServeClient(home.paths).status().url)  # type: ignore[union-attr]
    with pytest.raises(ConnectionError):
        socket.create_connection(endpoint.address, timeout=2)


def test_one_address_at_a_time_and_the_same_order_changes_nothing(home: UserHome) -> None:
    home.start_scripted()
    client = ServeClient(home.paths)
    first = client.open(ServeOrder(port=0))
    assert client.open(ServeOrder(port=0)) == first
    with leased(home, ServeOrder(port=0)) as events:
        event = next(events)
        assert event.status == first and not event.is_owner
    assert client.status() == first
    with pytest.raises(UsageError, match="listens already"):
        client.open(ServeOrder(port=0, has_key=False))
    taken = urlsplit(first.url).port
    assert client.close() and not client.close()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(TierchatError, match=f"cannot listen on 127.0.0.1, port {port}"):
            client.open(ServeOrder(port=port))
    assert client.open(ServeOrder(port=taken or 0)).url == first.url


def test_the_settings_let_the_daemon_listen_and_what_is_wrong_does_not_stop_it(
    home: UserHome,
) -> None:
    (home.directory / "config").mkdir()
    config = home.directory / "config" / "config.toml"
    config.write_text("serve = true\nserve_port = 0\n")
    home.start_scripted()
    status = ServeClient(home.paths).status()
    assert status and status.url.startswith("http://127.0.0.1:")
    assert status.url in home.run("daemon", "status").stdout.decode()
    home.client.stop()
    config.write_text('serve = true\nserve_host = "0.0.0.0"\n')
    home.start_scripted()
    status = ServeClient(home.paths).status()
    assert status and not status.url and "from other machines" in status.problem
    assert status.problem in home.run("daemon", "status").stdout.decode()
    assert home.run("ask", "x").stdout == b"0 1 2 3 4 \n"


def test_requests_under_way_end_when_listening_ends(home: UserHome) -> None:
    home.start_scripted("40", "0.02")
    endpoint = Endpoint(home, ServeOrder(port=0, has_key=False))
    connection = http.client.HTTPConnection(*endpoint.address, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", body(stream=True), JSON)
        response = connection.getresponse()
        assert ServeClient(home.paths).close()
        assert response.read().endswith(b"data: [DONE]\n\n")
