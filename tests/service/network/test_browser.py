"""A real browser: what a web page can do to an endpoint on the machine of who visits it.

The endpoint asks for no key here, so that only Host and Origin stand between.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import UserHome
from tests.service.test_routes import reply
from tierchat.service.network.order import ServeOrder
from tierchat.service.network.serve_client import ServeClient

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

PAGE = """<!doctype html><body>waiting<img id="image"><script>
const base = "BASE", found = {};
const body = JSON.stringify({messages: [{role: "user", content: "x"}]});
const json = {"Content-Type": "application/json"};
const tried = {
  "read models": () => fetch(base + "/v1/models"),
  "ask": () => fetch(base + "/v1/chat/completions", {method: "POST", headers: json, body}),
  "ask as text": () => fetch(base + "/v1/chat/completions", {method: "POST", body}),
  "ask as a blob": () => fetch(base + "/v1/chat/completions",
    {method: "POST", body: new Blob([body])}),
  "ask blindly": () => fetch(base + "/v1/chat/completions",
    {method: "POST", mode: "no-cors", body}),
  "beacon": async () => { navigator.sendBeacon(base + "/v1/chat/completions", body); throw 1; },
  "stop": () => fetch(base + "/tierchat/shutdown", {method: "POST", mode: "no-cors", body: "{}"}),
  "load a model": () => fetch(base + "/health?load=1", {mode: "no-cors"}),
};
async function all() {
  for (const [name, attempt] of Object.entries(tried)) {
    try {
      const response = await attempt();
      found[name] = [response.type, response.status, (await response.text()).slice(0, 20)];
    } catch (error) { found[name] = ["error", 0, ""]; }
  }
  const image = document.getElementById("image");
  await new Promise(done => {
    image.onload = image.onerror = done;
    image.src = base + "/metrics";
  });
  const events = new EventSource(base + "/v1/models");
  await new Promise(done => { events.onopen = () => { found.events = ["read", 1, ""]; done(); };
    events.onerror = done; });
  events.close();
  document.body.textContent = "RESULT" + JSON.stringify(found) + "END";
}
all();
</script>"""


def browser() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip(f"none of these browsers is here: {', '.join(NAMES)}")
    return found


def dom(program: str, url: str, profile: Path, *options: str) -> str:
    """Open a page, wait until its scripts are done, and return what it shows."""
    command = [
        *(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={profile}", "--no-first-run", "--virtual-time-budget=20000"),
        *(*options, "--dump-dom", url),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return html.unescape(done.stdout)


@contextlib.contextmanager
def page_for(endpoints: list[str]) -> Iterator[str]:
    """Serve the page from another origin, for the last endpoint; yields the origin."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = PAGE.replace("BASE", endpoints[-1]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def results(shown: str) -> dict[str, list[Any]]:
    match = re.search(r"RESULT(\{.*\})END", shown, re.S)
    assert match, shown[:500]
    found: dict[str, list[Any]] = json.loads(match[1])
    return found


def num_answered(home: UserHome) -> int:
    _, _, body = reply(home, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return len(re.findall(rb"^tierchat_prompts_total\{", body, re.M))


@pytest.mark.slow
def test_a_page_of_another_origin_reads_nothing_and_changes_nothing(
    home: UserHome, tmp_path: Path
) -> None:
    program = browser()
    home.start_scripted()
    client = ServeClient(home.paths)
    endpoints = [client.open(ServeOrder(port=0, has_key=False)).url.removesuffix("/v1")]
    with page_for(endpoints) as page:
        found = results(dom(program, page, tmp_path / "a"))
        # What a page may send without asking gets an opaque reply, of which it sees nothing.
        assert {tuple(seen) for seen in found.values()} <= {("error", 0, ""), ("opaque", 0, "")}
        assert found["read models"][0] == "error" and "events" not in found
        assert found["ask blindly"][0] == found["stop"][0] == "opaque"
        assert num_answered(home) == 0
        # The same page, once it is named, may do what it is named for, and no more.
        client.close()
        named = client.open(ServeOrder(port=0, has_key=False, origins=(page,)))
        endpoints.append(named.url.removesuffix("/v1"))
        found = results(dom(program, page, tmp_path / "b"))
        assert found["read models"][:2] == ["cors", 200]
        assert found["ask"][:2] == ["cors", 200]
        assert found["ask as text"][:2] == ["cors", 415]
        assert num_answered(home) == 1
    found_status = home.client.status()
    assert found_status and not found_status.is_stopping


@pytest.mark.slow
def test_a_name_that_leads_to_this_machine_shows_nothing(home: UserHome, tmp_path: Path) -> None:
    program = browser()
    home.start_scripted()
    url = ServeClient(home.paths).open(ServeOrder(port=0, has_key=False)).url
    rebound = url.replace("127.0.0.1", "evil.example")
    rule = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    shown = dom(program, f"{rebound}/models", tmp_path, rule)
    assert "names no address of this endpoint" in shown and "script/XS" not in shown
    # Typed by a person, the true address works.
    assert "script/XS" in dom(program, f"{url}/models", tmp_path)
