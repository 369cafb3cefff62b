"""Shared fixtures: the bundled models loaded once, homes in temporary places, real daemons."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

import tierchat
from tests.forked_commands import ForkedCommands, starts_alike
from tests.forked_daemons import ForkedDaemon, ForkedDaemons
from tests.trapping import quirks_here
from tierchat.engine.llama.log import LlamaLog
from tierchat.engine.llama.model import LlamaModel
from tierchat.errors import TierchatError
from tierchat.paths import Paths, find_paths
from tierchat.service.client import Client

REAL_FILES = {
    "smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "coder-0.5b": "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    "coder-1.5b": "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    "gemma3-base": "gemma-3-270m-q4_k_m.gguf",
}


def pytest_configure() -> None:
    """Let Ctrl-C reach the tested programs, even if a shell runs the suite in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Child processes inherit an ignored signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_real_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that forgets to choose a home must fail, not write into the developer's."""
    monkeypatch.setenv("TIERCHAT_HOME", "/dev/null/choose-a-home")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    return Path(tierchat.__file__).parent / "pocket" / "models"


@pytest.fixture(scope="session")
def llama_log() -> LlamaLog:
    return LlamaLog()


@pytest.fixture(scope="session")
def pocket_s(models_dir: Path, llama_log: LlamaLog) -> Iterator[LlamaModel]:
    model = LlamaModel(models_dir / "pocket-s.gguf", llama_log)
    yield model
    model.close()


@pytest.fixture(scope="session")
def real_gguf() -> Callable[[str], Path]:
    """Find a published GGUF by a name of `REAL_FILES`; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        folder = os.environ.get("TIERCHAT_REAL_MODELS")
        if not folder:
            pytest.skip("TIERCHAT_REAL_MODELS names no folder with published GGUFs")
        path = Path(folder) / REAL_FILES[name]
        if not path.exists():
            pytest.skip(f"{path} is not there")
        return path

    return find


@cache
def forked_commands() -> ForkedCommands:
    return ForkedCommands()


@cache
def forked_daemons() -> ForkedDaemons:
    return ForkedDaemons()


@pytest.fixture(scope="session", autouse=True)
def _no_forks_left() -> Iterator[None]:
    yield
    for forks in (forked_commands, forked_daemons):
        if forks.cache_info().currsize:
            forks().close()


@dataclass
class UserHome:
    """One user's tierchat, run as a user runs it."""

    directory: Path
    children: list[subprocess.Popen[bytes] | ForkedDaemon] = field(default_factory=list)

    @property
    def paths(self) -> Paths:
        return find_paths(self.env)

    @property
    def env(self) -> Mapping[str, str]:
        return {**os.environ, "TIERCHAT_HOME": str(self.directory), "NO_COLOR": "1"}

    @property
    def client(self) -> Client:
        return Client(self.paths, starts_daemon=False)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tierchat", *arguments]

    def run(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end; without `stdin` it is /dev/null."""
        commands, all_env = forked_commands(), {**self.env, **(env or {})}
        if forked := commands.run(self.command(*arguments), all_env, stdin, 240):
            return forked
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            self.command(*arguments),
            capture_output=True,
            timeout=240,
            env=all_env,
            check=False,
            **given,
        )

    def start_scripted(self, *arguments: str) -> ForkedDaemon:
        """Start a daemon that answers from a script, and wait until it listens."""
        assert starts_alike(self.env)
        child = forked_daemons().start(list(arguments), self.env)
        self.children.append(child)
        wait_until(lambda: self.client.status() is not None)
        return child

    def close(self) -> None:
        with contextlib.suppress(TierchatError):
            self.client.stop()
        for child in self.children:
            child.kill()
            child.wait()


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Poll until `condition()` is true; fails the test after `seconds`."""
    assert callable(condition)
    ends_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_s, "it did not happen in time"
        time.sleep(0.01)


@contextlib.contextmanager
def new_home() -> Iterator[UserHome]:
    # pytest's own temporary paths are too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        found = UserHome(Path(directory))
        # A build that traps is healed once and told of; most tests are about something else.
        quirks_here(found.paths.machine_file)
        yield found
        found.close()


@pytest.fixture
def home() -> Iterator[UserHome]:
    with new_home() as found:
        yield found


@pytest.fixture(scope="session")
def warm() -> Iterator[UserHome]:
    """One home with one running daemon, for tests that only ask."""
    with new_home() as found:
        found.run("daemon", "up")
        yield found


@pytest.fixture(scope="module")
def scripted() -> Iterator[UserHome]:
    """One home with one daemon that answers from a script, for tests that only ask."""
    with new_home() as found:
        found.start_scripted()
        yield found
