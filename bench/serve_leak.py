"""Memory and descriptors of the endpoint while clients come, leave in mid-stream and send nonsense.

    python bench/serve.py --leak 30

Sixteen clients at once do random things to a daemon with the bundled models (`DEEDS`). Twelve times
in the given minutes, and at least once a minute, they stop, and when the daemon has nothing to do
any more, its memory, descriptors and threads are read, and those of its workers. The first quarter
is warm-up, and every deed is done before. From then on the median of the last quarter may exceed
that of the first by what `MAX_GROWTH_MIB` says, the descriptors and threads of the end those of the
beginning by none; and the daemon and its workers must be the same processes. Anything else fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from serve_daemon import Daemon, Sample, pocket_home, serving

NUM_CLIENTS = 16
NUM_SAMPLES = 12
LONGEST_PHASE_S = 60.0
QUIET_S = 60.0
# The daemon remembers the last 30,000 turns and 1,000 responses, which takes 12 MiB; workers touch
# the memory of their caches one prompt after another.
MAX_GROWTH_MIB = {"daemon_mib": 16.0, "workers_mib": 8.0}
TIMEOUT_S = 120.0


class Guest:
    """A client of the endpoint. `statuses` counts what came back."""

    def __init__(self, url: str, chance: random.Random, statuses: Counter[str]) -> None:
        self._url, self._chance, self._statuses = url, chance, statuses

    async def misbehave(self, ends_s: float) -> None:
        """Do one thing after another until the time is over."""
        while time.monotonic() < ends_s:
            await self._do(self._chance.choice(DEEDS))

    async def do_everything(self) -> None:
        """Do everything once, and ask every route."""
        for deed in DEEDS:
            await self._do(deed)
        for route, body in _OTHERS:
            await self._post(route, json.dumps(body).encode())

    async def _do(self, deed: Callable[[Guest], Awaitable[None]]) -> None:
        try:
            await deed(self)
        except (httpx.TransportError, OSError) as error:
            self._statuses[type(error).__name__] += 1

    async def read_whole(self) -> None:
        """Read a stream to its end."""
        await self._stream(self._chat(), 10**9)

    async def leave_in_mid_stream(self) -> None:
        """Close the connection after the first pieces."""
        await self._stream(self._chat(), self._chance.randrange(1, 12))

    async def leave_at_once(self) -> None:
        """Send a request and close before anything comes."""
        body = json.dumps({**self._chat(), "stream": self._chance.random() < 0.5}).encode()
        await self._send_raw(self._head("/v1/chat/completions", len(body)) + body)

    async def stop_in_the_body(self) -> None:
        """Promise more of a body than is sent."""
        await self._send_raw(self._head("/v1/chat/completions", 4000) + b'{"model": "tierchat"')

    async def stop_in_the_head(self) -> None:
        await self._send_raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0")

    async def speak_no_http(self) -> None:
        await self._send_raw(self._chance.randbytes(200) + b"\r\n\r\n")

    async def say_nothing(self) -> None:
        await self._send_raw(b"")

    async def send_nonsense(self) -> None:
        """Send a body that cannot be read, or asks for what there is not."""
        await self._post(self._chance.choice(_ROUTES), self._chance.choice(_NONSENSE))

    async def ask_plainly(self) -> None:
        await self._post("/v1/chat/completions", json.dumps(self._chat()).encode())

    async def ask_in_other_words(self) -> None:
        """Ask one of the other routes."""
        route, body = self._chance.choice(_OTHERS)
        await self._post(route, json.dumps(body).encode())

    async def call_a_tool(self) -> None:
        body = {**self._chat(), "tools": [_TOOL], "tool_choice": "required", "max_tokens": 40}
        await self._stream(body, self._chance.randrange(1, 40))

    async def look_around(self) -> None:
        async with self._client() as client:
            route = self._chance.choice(("/v1/models", "/metrics", "/healthz", "/no/such/route"))
            self._count(await client.get(f"{self._url}{route}"))

    def _chat(self) -> dict[str, Any]:
        first, second = self._chance.randrange(10, 999), self._chance.randrange(10, 999)
        model = self._chance.choice(("tierchat", "pocket/XS", "pocket/S", "pocket/M"))
        text = f"What is {first}{self._chance.choice('+-*')}{second}?"
        return {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 60}

    async def _stream(self, body: dict[str, Any], num_pieces: int) -> None:
        async with (
            self._client() as client,
            client.stream(
                "POST", f"{self._url}/v1/chat/completions", json={**body, "stream": True}
            ) as reply,
        ):
            self._count(reply)
            async for _piece in reply.aiter_raw():
                num_pieces -= 1
                if num_pieces == 0:
                    return

    async def _post(self, route: str, body: bytes) -> None:
        head = {"Content-Type": "application/json"}
        async with self._client() as client:
            self._count(await client.post(f"{self._url}{route}", content=body, headers=head))

    async def _send_raw(self, data: bytes) -> None:
        place = urlsplit(self._url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(self._chance.random() * 0.1)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        del reader
        self._statuses["left"] += 1

    def _head(self, route: str, size: int) -> bytes:
        host = urlsplit(self._url).netloc
        lines = [f"POST {route} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
        return "\r\n".join([*lines, f"Content-Length: {size}", "", ""]).encode()

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    def _count(self, reply: httpx.Response) -> None:
        self._statuses[str(reply.status_code)] += 1


DEEDS: tuple[Callable[[Guest], Awaitable[None]], ...] = (
    *(Guest.read_whole, Guest.leave_in_mid_stream, Guest.leave_at_once, Guest.ask_plainly),
    *(Guest.stop_in_the_body, Guest.stop_in_the_head, Guest.speak_no_http, Guest.say_nothing),
    *(Guest.send_nonsense, Guest.ask_in_other_words, Guest.call_a_tool, Guest.look_around),
)
_TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
_ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/tokenize")
_NONSENSE = (
    *(b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"model": 1}', b'{"messages": "x"}'),
    *(b'{"model": "none", "messages": [{"role": "user", "content": "x"}]}', b"[" * 100_000),
    b'{"model": "tierchat", "messages": [{"role": "user", "content": "' + b"x" * 300_000 + b'"}]}',
)
_SAYS = [{"role": "user", "content": "2+2"}]
_OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/completions", {"model": "pocket/S", "prompt": "2+2=", "max_tokens": 8, "logprobs": 2}),
    ("/v1/responses", {"model": "tierchat", "input": "What is 17*24?"}),
    ("/v1/messages", {"model": "tierchat", "max_tokens": 20, "messages": _SAYS}),
    ("/v1/messages/count_tokens", {"model": "tierchat", "messages": _SAYS}),
    ("/v1/embeddings", {"model": "pocket/S", "input": ["one", "two"]}),
    ("/tokenize", {"content": "What is 17*24?"}),
    ("/v1/chat/completions", {"model": "tierchat", "messages": _SAYS, "n": 3}),
)


async def disturb(url: str, seconds: float, chance: random.Random, seen: Counter[str]) -> None:
    """Let all clients misbehave for so long."""
    ends_s = time.monotonic() + seconds
    guests = [Guest(url, random.Random(chance.random()), seen) for _ in range(NUM_CLIENTS)]
    await asyncio.gather(*(guest.misbehave(ends_s) for guest in guests))


def quiet(daemon: Daemon) -> Sample:
    """Wait until the daemon has nothing to do, and return what it takes then.

    Descriptors are read once they no longer fall: connections of clients that left end in time.
    """
    ends_s = time.monotonic() + QUIET_S
    last: Sample | None = None
    while time.monotonic() < ends_s:
        time.sleep(1.0)
        status = daemon.status()
        is_idle = status["num_active"] == status["num_waiting"] == 0
        sample = daemon.sample()
        if is_idle and last is not None and sample.daemon_files >= last.daemon_files:
            return sample
        last = sample if is_idle else None
    raise SystemExit(f"the daemon is not quiet {QUIET_S:g} s after the last client left")


def processes(daemon: Daemon) -> list[int]:
    """Return the ids of the daemon and its workers."""
    status = daemon.status()
    return [status["pid"], *(w["pid"] for w in status["workers"])]


def problems(samples: list[Sample]) -> list[str]:
    """Say what has grown; the first quarter of the samples is warm-up."""
    quarter = max(1, len(samples) // 4)
    first, last = samples[quarter : 2 * quarter], samples[-quarter:]
    found = []
    for name, most in MAX_GROWTH_MIB.items():
        before, after = (
            statistics.median(getattr(sample, name) for sample in part) for part in (first, last)
        )
        if after > before + most:
            found.append(f"{name} grew from {before:.1f} to {after:.1f}")
    for name in ("daemon_files", "workers_files", "num_threads"):
        before, after = (min(getattr(sample, name) for sample in part) for part in (first, last))
        if after > before:
            found.append(f"{name} grew from {before} to {after}")
    return found


def run(minutes: float, seed: int) -> None:
    """Watch a daemon for so long; raises SystemExit when something has grown."""
    chance, seen, samples = random.Random(seed), Counter[str](), list[Sample]()
    phase_s = min(LONGEST_PHASE_S, minutes * 60 / NUM_SAMPLES)
    with serving(pocket_home()) as daemon:
        # From then on all workers are there, and nothing is imported for the first time.
        asyncio.run(Guest(daemon.url, chance, seen).do_everything())
        asyncio.run(disturb(daemon.url, phase_s / 2, chance, seen))
        pids, began_s = processes(daemon), time.monotonic()
        while len(samples) < NUM_SAMPLES or time.monotonic() - began_s < minutes * 60:
            asyncio.run(disturb(daemon.url, phase_s, chance, seen))
            samples.append(quiet(daemon))
            print(f"{(time.monotonic() - began_s) / 60:5.1f} min: {samples[-1]}", flush=True)
        found = problems(samples)
        if processes(daemon) != pids:
            found.append("the daemon or a worker is not the process that it was")
    print(f"{seen.total()} deeds: {json.dumps(dict(seen.most_common()))}")
    if any(status.startswith("5") and status != "503" for status in seen):
        found.append("there were errors of the server")
    if found:
        raise SystemExit("FAILED: " + "; ".join(found))
    print("nothing has grown")
