"""A daemon that serves over TCP in a home of its own, and what can be seen of it from outside.

Does not know requests: `bench/serve.py` and `bench/serve_leak.py` ask it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POCKET = Path(__file__).parent.parent / "tierchat" / "pocket" / "models"
_MIB = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where to ask, the name of a model there, and the process that answers."""

    name: str
    url: str
    model: str
    pid: int

    @property
    def cpu_s(self) -> float:
        """The processor time of the process and its children so far (Linux)."""
        return sum(map(_cpu_s, [self.pid, *_children(self.pid)]))


@dataclass(frozen=True)
class Sample:
    """What the daemon and its workers take: MiB of RAM, descriptors, threads."""

    daemon_mib: float
    workers_mib: float
    daemon_files: int
    workers_files: int
    num_threads: int

    def __str__(self) -> str:
        return (
            f"daemon {self.daemon_mib:.1f} MiB, {self.daemon_files} descriptors; workers "
            f"{self.workers_mib:.1f} MiB, {self.workers_files}; {self.num_threads} threads"
        )


@dataclass(frozen=True)
class HomeFiles:
    """The texts of config.toml and models.toml."""

    config: str
    models: str = ""


def pocket_home(threads: int = 0) -> HomeFiles:
    return HomeFiles(_settings("pocket", threads))


def one_tier_home(model: Path, threads: int = 0) -> HomeFiles:
    """Return a home whose cascade `bench` is one file."""
    tier = '[[cascades.bench.tiers]]\nname = "M"\nmodel = "bench"\n'
    file = json.dumps(str(model.resolve()))
    return HomeFiles(_settings("bench", threads), f"[models.bench]\nfile = {file}\n{tier}")


def _settings(cascade: str, threads: int) -> str:
    return f'cascade = "{cascade}"\nnum_threads = {threads}\nteach = false\nkeepalive = "-1"\n'


class Daemon:
    """A daemon that listens at `url`, seen from outside."""

    def __init__(self, env: dict[str, str], url: str) -> None:
        self._env, self.url = env, url

    def place(self, model: str, name: str = "tierchat") -> Place:
        return Place(name, self.url, model, self.status()["pid"])

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(_tierchat(self._env, "daemon", "status", "--json"))
        return found

    def sample(self) -> Sample:
        """Read memory, descriptors and threads of the daemon and its workers (Linux)."""
        daemon = int(self.status()["pid"])
        workers = _children(daemon)
        return Sample(
            _rss_mib(daemon),
            sum(map(_rss_mib, workers)),
            _num_files(daemon),
            sum(map(_num_files, workers)),
            sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in (daemon, *workers)),
        )


def _rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    """Return the processes that any thread of a process has started, and that still run."""
    found = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return sorted(found)


def _num_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextlib.contextmanager
def serving(files: HomeFiles) -> Iterator[Daemon]:
    """Start a daemon that serves on a free port of this machine, without a key; stop it after."""
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        config = Path(directory) / "config"
        config.mkdir()
        (config / "config.toml").write_text(files.config)
        if files.models:
            (config / "models.toml").write_text(files.models)
        env = {**os.environ, "TIERCHAT_HOME": directory}
        try:
            said = _tierchat(env, "serve", "--background", "--no-key", "--port", "0", "--json")
            url = json.loads(said.splitlines()[0])["url"].removesuffix("/v1")
            yield Daemon(env, url)
        finally:
            _tierchat(env, "daemon", "down")


def _tierchat(env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "tierchat", *arguments]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
