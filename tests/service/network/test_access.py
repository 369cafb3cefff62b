"""Who is let in over TCP: Host, Origin, key, route and content type. Pure, but for the key file."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from tierchat.errors import Forbidden, InvalidRequest, KeyRefused, UnsafePath, UsageError, WrongType
from tierchat.service.network.access import Access, Asked
from tierchat.service.network.key_file import KeyFile
from tierchat.service.network.order import ServeOrder, check
from tierchat.service.routes import Service

PAGE = "https://chat.example.com"


def asked(
    *headers: tuple[str, str], method: str = "GET", path: str = "/v1/models", query: str = ""
) -> Asked:
    """Make the head of a request; without a Host header it has the usual one."""
    given = [(name.encode(), value.encode()) for name, value in headers]
    if not any(name == b"host" for name, _ in given):
        given.append((b"host", b"127.0.0.1:8421"))
    return Asked(method, path, f"{path}?{query}".encode(), given)


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    found = KeyFile(tmp_path / "serve.key")
    found.ensure()
    return found


@pytest.mark.parametrize("host", ["127.0.0.1:8421", "localhost", "LOCALHOST:9000", "[::1]:8421"])
def test_the_names_of_the_loopback_are_let_in_on_any_port(host: str) -> None:
    # A tunnel or a container has another port at its other end.
    assert Access(None).check(asked(("host", host))) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", "evil.com:8421", "box.local", "10.0.0.5:8421", "127.0.0.1.evil.com", ""),
        *("localhost.", "127.0.0.1:8421@evil.com", "127.0.0.1 evil.com", "[::1", "0.0.0.0:8421"),
    ],
)
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(Forbidden, match="Host header"):
        Access(None).check(asked(("host", host)))


def test_a_host_that_is_missing_or_doubled_is_refused() -> None:
    for headers in ([], [(b"host", b"localhost"), (b"host", b"localhost")]):
        with pytest.raises(InvalidRequest, match="Host headers instead of one"):
            Access(None).check(Asked("GET", "/v1/models", b"/v1/models?", headers))


def test_an_exposed_listener_takes_addresses_and_its_own_names_but_no_others() -> None:
    access = Access(None, names=("box.example.com",), is_exposed=True)
    for host in ("192.168.1.5:8421", "[fe80::1]", "box.example.com", "localhost"):
        access.check(asked(("host", host)))
    for host in ("evil.com", "example.com"):
        with pytest.raises(Forbidden):
            access.check(asked(("host", host)))


@pytest.mark.parametrize(
    "origin", ["https://evil.com", "null", "http://127.0.0.1:8421", f"{PAGE}."]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_page_that_is_not_named_is_refused_even_before_its_key(
    key: KeyFile, origin: str, method: str
) -> None:
    headers = ("origin", origin), ("authorization", f"Bearer {key.read()}")
    with pytest.raises(Forbidden, match="web page"):
        Access(key, origins=(PAGE,)).check(asked(*headers, method=method))


def test_a_page_that_sends_no_origin_is_known_by_its_site() -> None:
    for site in ("cross-site", "same-site"):
        with pytest.raises(Forbidden, match="another site"):
            Access(None).check(asked(("sec-fetch-site", site)))
    # A person who types the address.
    assert Access(None).check(asked(("sec-fetch-site", "none"))) is None


def test_a_named_page_is_let_in_with_the_key_and_asks_beforehand_without(key: KeyFile) -> None:
    access = Access(key, origins=(PAGE,))
    page = ("origin", PAGE), ("sec-fetch-site", "cross-site")
    before = asked(*page, ("access-control-request-method", "POST"), method="OPTIONS")
    assert access.check(before) == PAGE
    with pytest.raises(KeyRefused):
        access.check(asked(*page))
    assert access.check(asked(*page, ("x-api-key", key.read()))) == PAGE


def test_the_key_is_taken_from_either_header(key: KeyFile) -> None:
    access, right = Access(key), key.read()
    for header in (
        ("authorization", f"Bearer {right}"),
        ("authorization", f"bearer  {right} "),
        ("x-api-key", right),
    ):
        access.check(asked(header))
    # Some clients send both, of which one is another service's.
    access.check(asked(("authorization", "Bearer sk-other"), ("x-api-key", right)))


def test_every_wrong_key_is_refused_and_never_repeated(key: KeyFile) -> None:
    access, right = Access(key), key.read()
    bearer = f"Bearer {right}"
    wrong: list[list[tuple[str, str]]] = [
        [],
        [("authorization", f"Bearer {right[:-1]}")],
        [("authorization", f"Bearer {right}x")],
        [("authorization", f"Bearer {right.lower()}")],
        [("authorization", right)],
        [("authorization", f"Basic {right}")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer \u00e9")],
        [("authorization", bearer), ("authorization", bearer)],
        [("x-api-key", right), ("x-api-key", right)],
        [("cookie", f"key={right}")],
    ]
    for headers in wrong:
        with pytest.raises(KeyRefused) as caught:
            access.check(asked(*headers))
        assert (caught.value.http_status, caught.value.exit_code) == (401, 6)
        assert right not in caught.value.message + caught.value.hint


def test_a_key_in_the_url_is_refused_beside_the_right_header_too(key: KeyFile) -> None:
    right = key.read()
    for query in (f"api_key={right}", f"key={right}&x=1"):
        for headers in ([], [("authorization", f"Bearer {right}")]):
            with pytest.raises(KeyRefused, match="stands in the URL"):
                Access(key).check(asked(*headers, query=query))


def test_a_key_is_found_in_a_url_however_it_is_written(key: KeyFile) -> None:
    right = key.read()
    hidden = "".join(f"%{ord(letter):02x}" for letter in right)
    for url in (f"/v1/models/{hidden}?", f"/?a=Bearer%20{right}", f"/{right}/v1?", f"/?a={hidden}"):
        assert key.is_within(url.encode()), url
    for url in ("/v1/models?", f"/?key={right[:-1]}", f"/?key={right}x", "/?" + "&" * 60_000):
        assert not key.is_within(url.encode()), url[:60]
    key.path.write_text("a/custom+key=of:mine\n")
    assert key.is_within(b"/v1/models?key=a%2Fcustom%2Bkey%3Dof%3Amine")


def test_keys_are_compared_in_constant_time(key: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for given in (b"x", key.read().encode(), b"y" * 400):
        assert key.matches(given) is (given == key.read().encode())
    # Digests of equal length, whatever was given.
    assert compared == [(32, 32)] * 3


def test_routes_that_change_the_daemon_are_for_its_own_machine(key: KeyFile) -> None:
    header = ("x-api-key", key.read())
    for method, path in (
        ("POST", "/tierchat/shutdown"),
        ("POST", "/tierchat/load"),
        ("POST", "/tierchat/log"),
        ("POST", "/tierchat/serve"),
        ("POST", "/tierchat/status"),
        ("GET", "/tierchat/reload"),
        ("GET", "/tierchat/status/"),
    ):
        with pytest.raises(Forbidden, match="on the machine that serves"):
            Access(key).check(asked(header, method=method, path=path))
    Access(key).check(asked(header, path="/tierchat/status"))


def test_every_route_outside_of_tierchats_own_is_one_that_others_may_use() -> None:
    """Whoever has the key reaches all routes but those below /tierchat/."""
    paths = {route.path for route in Service.__new__(Service).app().routes}  # type: ignore[attr-defined]
    public = {"/health", "/healthz", "/metrics", "/openapi.json", "/tokenize", "/detokenize"}
    public |= {"/tokenizer_info"}
    others = {path for path in paths - public if not path.startswith(("/v1/", "/tierchat/"))}
    assert not others, "may whoever has the key use these? then name them here"


@pytest.mark.parametrize("kinds", [[], ["text/plain"], ["application/x-www-form-urlencoded"]])
def test_a_body_must_say_that_it_is_json(kinds: list[str]) -> None:
    headers = [("content-type", kind) for kind in kinds]
    with pytest.raises(WrongType) as caught:
        Access(None).check(asked(*headers, method="POST"))
    assert caught.value.http_status == 415
    Access(None).check(asked(("content-type", "Application/JSON; charset=utf-8"), method="POST"))


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "serve.key"
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(KeyFile(path).ensure())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1 and len(found[0]) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["serve.key"]


def test_a_new_key_counts_at_once_and_the_old_one_no_more(key: KeyFile) -> None:
    old = key.read().encode()
    assert key.matches(old)
    new = KeyFile(key.path).renew().encode()
    assert new != old and key.matches(new) and not key.matches(old)


def test_a_key_that_others_can_read_or_that_is_none_lets_nobody_in(key: KeyFile) -> None:
    right = key.read().encode()
    key.path.chmod(0o644)
    with pytest.raises(UnsafePath, match="others can read the key"):
        key.matches(right)
    key.path.chmod(0o600)
    assert key.matches(right)
    key.path.write_text("short")
    with pytest.raises(UnsafePath, match="holds no key"):
        key.matches(b"short")
    key.path.unlink()
    with pytest.raises(UnsafePath, match="cannot read"):
        key.matches(right)


def test_orders_that_would_leave_the_endpoint_open_are_refused() -> None:
    for address in ("0.0.0.0", "192.168.1.5", "::"):
        with pytest.raises(UsageError, match="from other machines"):
            check(ServeOrder(host=address), address)
        with pytest.raises(UsageError, match="--no-key lets everybody in"):
            check(ServeOrder(host=address, has_key=False, is_exposed=True), address)
        check(ServeOrder(host=address, is_exposed=True), address)
    for order, said in (
        (ServeOrder(tls_cert="/c.pem"), "both --tls-cert and --tls-key"),
        (ServeOrder(origins=("*",)), "is no origin"),
        (ServeOrder(origins=("https://a.com/",)), "is no origin"),
        (ServeOrder(origins=("null",)), "is no origin"),
        (ServeOrder(names=("a.com:80",)), "is no host name"),
    ):
        with pytest.raises(UsageError, match=said):
            check(order, "127.0.0.1")
