"""A stand-in for the Hugging Face hub on this machine, with faults that a test can switch on.

Does not know tierchat. Serves ROOT/owner/name/path; large files come from a second port, as the
real hub redirects to its CDN. By hand: `python tests/local_hub.py --root DIR --port 8080`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_PIECE_BYTES = 16 << 10


@dataclass
class Faults:
    """The faults of the hub; each of `hiccups` and `cuts` happens once, the others until unset."""

    bytes_per_s: float | None = None
    # An HTTP status for each of the next requests.
    hiccups: list[int] = field(default_factory=list)
    retry_after: str | None = None
    # The HTTP status and error code of every request.
    refusal: tuple[int, str] | None = None
    cdn_status: int | None = None
    # The numbers of bytes after which the next bodies break off.
    cuts: list[int] = field(default_factory=list)
    wrong_bytes: bool = False
    ignores_range: bool = False
    # Answers a Range request with another range.
    wrong_range: bool = False
    # Bytes announced and sent beyond the end of the file.
    extra_bytes: int = 0
    # Sends the body without its length.
    is_chunked: bool = False
    # The address to which files are redirected instead of the CDN.
    redirect: str | None = None
    # Names in the listing of every repo that have no file.
    extra_names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """One request: to the `hub` or the `cdn`."""

    server: str
    method: str
    path: str
    headers: dict[str, str]


class LocalHub:
    """Two HTTP servers; `bytes_sent` counts the body bytes of both per file name."""

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.bytes_sent: Counter[str] = Counter()
        # Serves the shipped catalogue, whose files are pinned to commits of the real hub.
        self.takes_any_commit = False
        self.follows_links = False
        self._hashes: dict[Path, str] = {}
        self._servers = {"hub": _Server(port, self, "hub"), "cdn": _Server(0, self, "cdn")}

    @property
    def endpoint(self) -> str:
        return self.address("hub")

    def address(self, server: str) -> str:
        return f"http://127.0.0.1:{self._servers[server].server_address[1]}"

    def start(self) -> None:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def sha256(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._hashes[path]

    def find(self, repo: str, name: str) -> Path | None:
        path = self.root / repo / name
        is_inside = self.follows_links or path.resolve().is_relative_to(self.root.resolve())
        return path if is_inside and path.is_file() else None


@contextlib.contextmanager
def running_hub(root: Path) -> Iterator[LocalHub]:
    hub = LocalHub(root)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, hub: LocalHub, name: str) -> None:
        self.hub = hub
        self.name = name
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: socketserver._RetAddress | Any) -> None:
        """Ignore clients that disconnect in the middle of a file: these tests do that."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    routes: ClassVar = (
        ("hub", re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?"), "_send_info"),
        ("hub", re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)"), "_send_tree"),
        ("hub", re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)"), "_resolve"),
        ("cdn", re.compile(r"/([^/]+/[^/]+)/blob/(.+)"), "_send_blob"),
    )

    def do_GET(self) -> None:
        hub = self.server.hub
        headers = {name.lower(): value for name, value in self.headers.items()}
        hub.seen.append(Seen(self.server.name, self.command, self.path, headers))
        faults = hub.faults
        if self.server.name == "hub" and faults.refusal:
            return self._send_error(*faults.refusal)
        if self.server.name == "hub" and faults.hiccups:
            return self._send_error(faults.hiccups.pop(0), "")
        if self.server.name == "cdn" and faults.cdn_status:
            return self._send_error(faults.cdn_status, "")
        path = unquote(urlsplit(self.path).path)
        for server, pattern, method in self.routes:
            found = pattern.fullmatch(path)
            if server == self.server.name and found:
                getattr(self, method)(*found.groups())
                return None
        return self._send_error(404, "")

    do_HEAD = do_GET

    def log_message(self, *words: object) -> None:
        pass

    def _send_info(self, repo: str, revision: str | None) -> None:
        if (names := self._names(repo, revision or "main")) is not None:
            info = {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            self._send_json(info)

    def _send_tree(self, repo: str, revision: str) -> None:
        if (names := self._names(repo, revision)) is not None:
            file = {"type": "file", "oid": COMMIT, "size": 1}
            self._send_json([{**file, "path": name} for name in names])

    def _names(self, repo: str, revision: str) -> list[str] | None:
        folder = self.server.hub.root / repo
        if not folder.is_dir():
            self._send_error(404, "RepoNotFound")
            return None
        if not self.server.hub.takes_any_commit and revision not in ("main", COMMIT):
            self._send_error(404, "RevisionNotFound")
            return None
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        return names + self.server.hub.faults.extra_names

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        if self._names(repo, revision) is None:
            return
        hub = self.server.hub
        path = hub.find(repo, name)
        if path is None:
            return self._send_error(404, "EntryNotFound")
        self.send_response(302)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-ETag", f'"{hub.sha256(path)}"')
        self.send_header("X-Linked-Size", str(path.stat().st_size))
        self.send_header("ETag", f'"{hub.sha256(path)[:40]}"')
        self.send_header(
            "Location", hub.faults.redirect or f"{hub.address('cdn')}/{repo}/blob/{name}"
        )
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_blob(self, repo: str, name: str) -> None:
        hub, faults = self.server.hub, self.server.hub.faults
        path = hub.find(repo, name)
        if path is None:
            return self._send_error(404, "")
        data = path.read_bytes() + bytes(faults.extra_bytes)
        if faults.wrong_bytes:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = self._start(len(data))
        if start is None:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if "range" in self.headers and not faults.ignores_range:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("ETag", f'"{hub.sha256(path)}"')
        if faults.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "GET":
            self._send_body(name, memoryview(data)[start:])

    def _start(self, size_bytes: int) -> int | None:
        """Return the offset at which the body begins; None if it is beyond the end."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        if not found or self.server.hub.faults.ignores_range:
            return 0
        start = int(found[1])
        if self.server.hub.faults.wrong_range:
            start //= 2
        return start if start < size_bytes else None

    def _send_body(self, name: str, data: memoryview) -> None:
        hub, faults = self.server.hub, self.server.hub.faults
        cut_bytes = faults.cuts.pop(0) if faults.cuts else len(data)
        begun_s = time.monotonic()
        num_sent = 0
        while num_sent < min(cut_bytes, len(data)):
            piece = data[num_sent : min(cut_bytes, num_sent + _PIECE_BYTES)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if faults.is_chunked else piece)
            num_sent += len(piece)
            hub.bytes_sent[name] += len(piece)
            if faults.bytes_per_s:
                time.sleep(max(0, begun_s + num_sent / faults.bytes_per_s - time.monotonic()))
        if faults.is_chunked and num_sent == len(data):
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.close_connection or num_sent < len(data)

    def _send_json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_error(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if self.server.hub.faults.retry_after:
            self.send_header("Retry-After", self.server.hub.faults.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bytes-per-s", type=float)
    options = parser.parse_args()
    hub = LocalHub(options.root, options.port)
    hub.faults.bytes_per_s = options.bytes_per_s
    hub.takes_any_commit = hub.follows_links = True
    hub.start()
    print(hub.endpoint, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    hub.stop()


if __name__ == "__main__":
    main()
