"""Proxies and certificates of the environment: used, gone around, or refused by name."""

from __future__ import annotations

import gc
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.local_proxy import refusing_proxy, socks_proxy
from tests.models.test_downloads import REPO, SMALL, Desk, desk, hub, root
from tierchat.errors import NetworkError, UsageError
from tierchat.models.hub.network import NetworkSettings

__all__ = ["desk", "hub", "root"]


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTP_PROXY"])
def test_a_socks_proxy_is_used_for_questions_and_files(
    desk: Desk, scheme: str, variable: str
) -> None:
    with socks_proxy() as proxy:
        downloader = desk.downloader(**{variable: f"{scheme}://{proxy.address}"})
        assert SMALL in downloader.list_files(REPO)
        downloader.describe(REPO, "main", SMALL)
        downloader.fetch(desk.file())
    desk.assert_fetched(desk.file())
    # One each for the list, the description, the hub's redirect and the file.
    assert len(proxy.asked) == 4


def test_a_socks_proxy_resolves_the_names(desk: Desk) -> None:
    port = desk.hub.endpoint.rpartition(":")[2]
    with socks_proxy() as proxy:
        downloader = desk.downloader(
            HF_ENDPOINT=f"http://hub.invalid:{port}", ALL_PROXY=f"socks5://{proxy.address}"
        )
        assert SMALL in downloader.list_files(REPO)
        downloader.fetch(desk.file())
    assert ("hub.invalid", int(port)) in proxy.asked


COVERED = (
    *("127.0.0.1", "127.0.0.0/8", "*", "127.0.0.1:{port}", "x.org, 127.0.0.1", "http://127.0.0.1"),
    *("::1,fd00::/8,127.0.0.1", "[::1],[fd00::]/8,127.0.0.0/16", "[fd00::/8],127.0.0.1"),
)


@pytest.mark.parametrize("no_proxy", COVERED)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_no_proxy_goes_around_the_proxy(desk: Desk, variable: str, no_proxy: str) -> None:
    ports = [desk.hub.address(name).rpartition(":")[2] for name in ("hub", "cdn")]
    named = ",".join(no_proxy.format(port=port) for port in ports)
    downloader = desk.downloader(**{variable: named, "ALL_PROXY": "http://127.0.0.1:9"})
    assert SMALL in downloader.list_files(REPO)
    downloader.fetch(desk.file())


@pytest.mark.parametrize(
    ("no_proxy", "url", "goes_around"),
    [
        ("fd00::/8", "http://[fd12::7]:8080", True),
        ("[fd00::]/8", "http://[fd12::7]", True),
        ("::1", "http://[::1]:8080", True),
        ("[::1]", "http://[::1]:8080", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[::1]:8081", "http://[::1]:8080", False),
        ("fd00::/8", "http://[fe80::1]", False),
        ("fd00::/999,fe80::%eth0/x,[,]:,::", "http://[fe80::1]", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://example.org", False),
        ("example.org", "https://hub.example.org", True),
        (".example.org", "https://hub.example.org", True),
        ("*.example.org", "https://hub.example.org", True),
        ("EXAMPLE.org", "https://hub.example.org", True),
        ("example.org:443", "https://hub.example.org", True),
        ("example.org:80", "https://hub.example.org", False),
        ("ample.org", "https://example.org", False),
        ("", "https://example.org", False),
    ],
)
def test_no_proxy_takes_names_addresses_and_ranges(
    no_proxy: str, url: str, goes_around: bool
) -> None:
    found = NetworkSettings({"all_proxy": "http://p:1", "no_proxy": no_proxy}).proxy_for(url)
    assert (found is None) is goes_around


def test_the_nearest_variable_names_the_proxy() -> None:
    env = {"ALL_PROXY": "a:1", "HTTPS_PROXY": "b:2", "https_proxy": "c:3", "HTTP_PROXY": "d:4"}
    settings = NetworkSettings(env)
    for url, proxy, variable in (
        ("https://x", "http://c:3", "https_proxy"),
        ("http://x", "http://d:4", "HTTP_PROXY"),
    ):
        found = settings.proxy_for(url)
        assert found and (found.url, found.variable) == (proxy, variable)
    # In a CGI program a client of the web chooses HTTP_PROXY, by a header `Proxy:`.
    found = NetworkSettings({**env, "REQUEST_METHOD": "GET"}).proxy_for("http://x")
    assert found and found.variable == "ALL_PROXY"


MALFORMED = ("http://[::bad", "http://", "foo://x:1", "socks4://x:1", "http://x:port", "x:99999",
             "http://a b:1", "http://x:1\n", "http://x\ny:1", "://", "socks5://:1080")  # fmt: skip


@pytest.mark.parametrize("value", [value for value in MALFORMED if value != "http://x:1\n"])
def test_a_proxy_that_cannot_work_is_named_at_once(desk: Desk, value: str) -> None:
    for act in (
        lambda downloader: downloader.list_files(REPO),
        lambda downloader: downloader.fetch(desk.file()),
    ):
        with pytest.raises(NetworkError) as caught:
            act(desk.downloader(HTTP_PROXY=value))
        assert caught.value.exit_code == 6 and not desk.waits_s
        assert "HTTP_PROXY is " in caught.value.message and ascii(value) in caught.value.message
        assert "http://host:3128" in caught.value.hint


def test_a_password_is_never_shown(desk: Desk) -> None:
    for value in ("http://me:secret@127.0.0.1:9", "me:secret@127.0.0.1:9", "foo://me:secret@x"):
        with pytest.raises(NetworkError) as caught:
            desk.downloader(ALL_PROXY=value).fetch(desk.file())
        assert "secret" not in caught.value.message + caught.value.hint
        assert "me:***@" in caught.value.message


def test_a_proxy_that_does_not_answer_is_named(desk: Desk) -> None:
    downloader = desk.downloader(HTTP_PROXY="http://127.0.0.1:9")
    for act in (lambda: downloader.list_files(REPO), lambda: downloader.fetch(desk.file())):
        with pytest.raises(NetworkError) as caught:
            act()
        assert "over the proxy http://127.0.0.1:9 (HTTP_PROXY)" in caught.value.message
        assert "HTTP_PROXY" in caught.value.hint and caught.value.exit_code == 6


def _failure_of(act: Callable[[], object]) -> tuple[int, bool]:
    """Return the exit code and whether the proxy is named, without keeping the error alive."""
    try:
        act()
    except NetworkError as error:
        return error.exit_code, "ALL_PROXY" in error.message
    raise AssertionError("it did not fail")


# httpx leaves its socket open when the answer is no SOCKS.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_port_that_speaks_no_socks_is_named(desk: Desk) -> None:
    class NoSocks(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), NoSocks) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        downloader = desk.downloader(ALL_PROXY=f"socks5://127.0.0.1:{server.server_address[1]}")
        for act in (lambda: downloader.list_files(REPO), lambda: downloader.fetch(desk.file())):
            assert _failure_of(act) == (6, True)
        gc.collect()
        server.shutdown()


def test_a_proxy_that_wants_a_login_is_not_asked_again(desk: Desk) -> None:
    with refusing_proxy(407) as address:
        downloader = desk.downloader(
            HF_ENDPOINT="https://hub.invalid", HTTPS_PROXY=f"http://{address}"
        )
        for act in (lambda: downloader.list_files(REPO), lambda: downloader.fetch(desk.file())):
            with pytest.raises(NetworkError, match="HTTPS_PROXY") as caught:
                act()
            assert "USER:PASSWORD" in caught.value.hint and not desk.waits_s


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str], str]:
    def make(kind: str) -> str:
        path = tmp_path / kind
        if kind == "folder":
            path.mkdir(exist_ok=True)
        elif kind != "missing":
            path.write_text({"empty": "", "text": "no certificate\n"}[kind])
        return str(path)

    return make


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        *(("SSL_CERT_FILE", kind) for kind in ("missing", "empty", "text", "folder")),
        *(("SSL_CERT_DIR", kind) for kind in ("missing", "text")),
        *(("REQUESTS_CA_BUNDLE", kind) for kind in ("missing", "empty", "text")),
        ("CURL_CA_BUNDLE", "missing"),
    ],
)
def test_certificates_that_cannot_be_read_are_named_at_once(
    desk: Desk, broken: Callable[[str], str], variable: str, kind: str
) -> None:
    value = broken(kind)
    downloader = desk.downloader(**{variable: value})
    for act in (lambda: downloader.list_files(REPO), lambda: downloader.fetch(desk.file())):
        with pytest.raises(NetworkError) as caught:
            act()
        assert f"{variable} is {value!r}" in caught.value.message
        assert caught.value.exit_code == 6 and "unset" in caught.value.hint and not desk.waits_s


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A web server whose certificate nobody signed but itself: its address, and that file."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost"
    names = (
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    )
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}", certificate
    server.shutdown()
    server.server_close()


def test_a_wrong_variable_is_named_even_where_another_one_counts(
    desk: Desk, signed: tuple[str, Path]
) -> None:
    env = {"SSL_CERT_FILE": str(signed[1]), "REQUESTS_CA_BUNDLE": "/missing.pem"}
    with pytest.raises(NetworkError, match="REQUESTS_CA_BUNDLE is '/missing"):
        desk.downloader(**env).fetch(desk.file())


def test_a_certificate_that_is_not_trusted_is_told_once(
    desk: Desk, signed: tuple[str, Path]
) -> None:
    downloader = desk.downloader(HF_ENDPOINT=signed[0])
    for act in (lambda: downloader.list_files(REPO), lambda: downloader.fetch(desk.file())):
        with pytest.raises(NetworkError, match="not trusted") as caught:
            act()
        assert "SSL_CERT_FILE" in caught.value.hint and not desk.waits_s


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_that_a_variable_names_is_trusted(
    desk: Desk, signed: tuple[str, Path], variable: str
) -> None:
    downloader = desk.downloader(HF_ENDPOINT=signed[0], **{variable: str(signed[1])})
    for act in (lambda: downloader.list_files(REPO), lambda: downloader.fetch(desk.file())):
        # The server is reached, and knows nothing of repos.
        with pytest.raises(NetworkError, match="HTTP 501"):
            act()


@pytest.mark.parametrize("token", ["hf_one\nhf_two", "hf one", '"hf_é"', "hf\tx", "hf_\x00"])
def test_a_token_that_is_no_word_is_refused_and_not_shown(desk: Desk, token: str) -> None:
    downloader = desk.downloader(HF_TOKEN=token)
    for act in (lambda: downloader.list_files(REPO), lambda: downloader.fetch(desk.file())):
        with pytest.raises(NetworkError, match="HF_TOKEN") as caught:
            act()
        assert "hf" not in caught.value.message.replace("HF_TOKEN", "") and not desk.waits_s
        assert caught.value.exit_code == 6
    assert not desk.hub.seen


def test_blanks_around_a_token_are_dropped(desk: Desk) -> None:
    desk.downloader(HF_TOKEN="  hf_word\n").list_files(REPO)
    assert desk.hub.seen[-1].headers["authorization"] == "Bearer hf_word"


@pytest.mark.parametrize("value", ["http://[::1", "http://x:port", "http://a b", "hub.example"])
def test_an_endpoint_that_is_no_address_is_named(desk: Desk, value: str) -> None:
    with pytest.raises(UsageError, match="HF_ENDPOINT"):
        desk.downloader(HF_ENDPOINT=value)


def test_a_name_that_nobody_knows_is_told_with_what_to_do(desk: Desk) -> None:
    with pytest.raises(NetworkError, match=r"hub\.invalid") as caught:
        desk.downloader(HF_ENDPOINT="https://hub.invalid").fetch(desk.file())
    assert "internet" in caught.value.hint and "kept" in caught.value.hint
    assert "Errno" not in caught.value.message
