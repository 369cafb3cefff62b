"""llama.cpp's server on a free port, for the time of a `with`: the peer of several measurements.

Build it from the sources inside llama-cpp-python's sdist, so that both sides are the same commit:
pip download --no-deps --no-binary :all: llama-cpp-python, unpack, then cmake -B build
-DCMAKE_BUILD_TYPE=Release -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF vendor/llama.cpp and build the
target llama-server, with the CXXFLAGS that the library was built with.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_START_S = 120


@dataclass(frozen=True)
class LlamaServer:
    """A server that answers; `url` has no path."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def llama_server(binary: str | Path, model: Path, *options: str) -> Iterator[LlamaServer]:
    """Start llama-server on a model and wait until it answers; raises SystemExit if it does not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [str(binary), "-m", str(model), "--port", str(port), "--no-ui", *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = LlamaServer(port, child.pid)
    try:
        ends_s = time.monotonic() + _START_S
        while not _is_up(server.url):
            if child.poll() is not None:
                raise SystemExit(f"{binary} ended with {child.returncode}: {' '.join(command)}")
            if time.monotonic() > ends_s:
                raise SystemExit(f"{binary} does not answer after {_START_S} s")
            time.sleep(0.1)
        yield server
    finally:
        child.kill()
        child.wait()


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
