"""The daemon: one per user, holds the workers, serves the socket until it is told to stop.

Never imports llama.cpp: a bad model file must not be able to take it down.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Protocol

from tierchat import __version__
from tierchat.config.settings import Settings, load_settings
from tierchat.errors import EngineCrashed, TierchatError, UnsafePath
from tierchat.events import CascadeEvent
from tierchat.models.placement.hardware import resident_bytes
from tierchat.paths import Paths, find_paths, make_private
from tierchat.service.admission import Admission
from tierchat.service.home_cascade import HomeCascade
from tierchat.service.http_listener import Http
from tierchat.service.messages import DaemonStatus, Residence
from tierchat.service.recorder import Recorder
from tierchat.service.replies import Limits
from tierchat.service.routes import Service
from tierchat.types import Prompt
from tierchat.workers.status import WorkerStatus

GRACE_S = 10.0
_LAST_STEPS_S = 1.5
_BACKLOG = 256


class Answering(Protocol):
    """What the daemon keeps: an answerer whose workers it can show, preload and end."""

    def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]: ...
    def cascades(self) -> dict[str, tuple[str, ...]]: ...
    @property
    def default(self) -> str: ...
    def titler(self, cascade: str) -> str | None: ...
    def status_of_workers(self) -> tuple[WorkerStatus, ...]: ...
    async def preload(self) -> None: ...
    async def load(self, name: str) -> tuple[Residence, ...]: ...
    async def unload(self, name: str) -> tuple[Residence, ...]: ...
    async def reload(self) -> None: ...
    async def close(self) -> None: ...


Build = Callable[[Paths, Settings], Answering]


class Lock:
    """The file whose lock says that a daemon lives; the kernel lets go of it on any death."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def take(self) -> bool:
        """Take the lock and write our pid; False when another daemon holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return True

    def holder(self) -> str:
        """Return the pid written by who holds the lock."""
        return os.pread(self._file, 32, 0).decode(errors="replace").strip() or "?"


def bind(path: Path) -> socket.socket:
    """Listen on a Unix socket, replacing one that a dead daemon of ours left behind.

    Raises UnsafePath when something in its place is not a socket of ours. The lock must be held.
    """
    remove_socket(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    return listener


def remove_socket(path: Path) -> None:
    """Delete a socket of ours, if it is there; raises UnsafePath for anything else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
        raise UnsafePath(
            f"{path} is not a socket of ours", "move it away; tierchat does not delete it"
        )
    path.unlink()


class Daemon:
    """One run of the service, from a bound socket to the last ended worker."""

    def __init__(self, answering: Answering, settings: Settings, paths: Paths) -> None:
        self._answering = answering
        self._paths = paths
        self._admission = Admission(settings.max_active, settings.max_waiting)
        self._recorder = Recorder(self, paths.log_file, settings.cascade)
        self._started_s = time.monotonic()
        self._stopping = asyncio.Event()
        self._is_out_of_time = asyncio.Event()

    async def run(self, listener: socket.socket, limits: Limits | None = None) -> None:
        """Serve until SIGTERM, SIGINT or a request to stop; in-flight answers get GRACE_S."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        limits = limits or Limits()
        service = Service(
            self._recorder,
            self._answering,
            self._admission,
            self.status,
            self._stopping.set,
            self._paths.daemon_log,
            limits,
        )
        http = Http(service.app(), GRACE_S, limits.head_s, limits.stall_s)
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        preloading = asyncio.create_task(self._answering.preload())
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
        preloading.cancel()
        await self._drain()
        http.should_exit = True
        await asyncio.wait((serving,), timeout=_LAST_STEPS_S)
        http.force_exit = True
        await asyncio.gather(preloading, return_exceptions=True)
        await self._answering.close()
        await self._recorder.close()

    async def _drain(self) -> None:
        # The socket's name goes first: who comes now starts the next daemon.
        self._admission.close()
        try:
            remove_socket(self._paths.socket)
        except UnsafePath as error:
            print(f"{error.message}: left alone", flush=True)
        ends_s = time.monotonic() + GRACE_S
        while self._admission.num_active and time.monotonic() < ends_s:
            await asyncio.sleep(0.02)
        self._is_out_of_time.set()
        while self._admission.num_active and time.monotonic() < ends_s + _LAST_STEPS_S:
            await asyncio.sleep(0.02)

    def cascades(self) -> dict[str, tuple[str, ...]]:
        return self._answering.cascades()

    def titler(self, cascade: str) -> str | None:
        """Name the tier that is to find titles for conversations of a cascade, if any."""
        return self._answering.titler(cascade)

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        """Answer until the daemon's time is over; then say that the answer is incomplete."""
        events = self._answering.answer(prompt)
        over = asyncio.ensure_future(self._is_out_of_time.wait())
        following: asyncio.Future[CascadeEvent] | None = None
        try:
            while True:
                following = asyncio.ensure_future(anext(events))
                await asyncio.wait((following, over), return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    raise EngineCrashed(
                        "the daemon is stopping; the answer is incomplete", "ask again"
                    )
                yield following.result()
        except StopAsyncIteration:
            return
        finally:
            for task in (over, following):
                if task:
                    task.cancel()
            await asyncio.gather(over, *filter(None, (following,)), return_exceptions=True)
            await events.aclose()

    def status(self) -> DaemonStatus:
        """Describe the daemon and its workers."""
        return DaemonStatus(
            pid=os.getpid(),
            version=__version__,
            uptime_s=time.monotonic() - self._started_s,
            socket=str(self._paths.socket),
            cascades=self.cascades(),
            default_cascade=self._answering.default,
            workers=self._answering.status_of_workers(),
            rss_bytes=resident_bytes(os.getpid()),
            num_active=self._admission.num_active,
            num_waiting=self._admission.num_waiting,
            is_stopping=self._stopping.is_set(),
        )


def run_daemon(
    paths: Paths, settings: Settings, build: Build = HomeCascade, limits: Limits | None = None
) -> int:
    """Be the daemon of this home; returns the exit code. A second one says so and leaves.

    Raises ConfigError, UnsafePath.
    """
    for directory in (paths.runtime_dir, paths.state_dir):
        make_private(directory)
    # Without a place for conversations there is still an answer; who asks is told.
    with contextlib.suppress(UnsafePath):
        make_private(paths.data_dir)
    lock = Lock(paths.daemon_lock)
    if not lock.take():
        print(f"already running (PID {lock.holder()}); not starting a second daemon", flush=True)
        return 0
    answering = build(paths, settings)
    listener = bind(paths.socket)
    print(f"{time.strftime('%F %T')} daemon {__version__}, PID {os.getpid()}", flush=True)

    async def serve() -> None:
        await Daemon(answering, settings, paths).run(listener, limits)

    asyncio.run(serve())
    print(f"{time.strftime('%F %T')} daemon ended, PID {os.getpid()}", flush=True)
    return 0


def main() -> int:
    """Entry of `python -m tierchat.service.daemon`, as the client starts it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    try:
        paths = find_paths(os.environ)
        return run_daemon(paths, load_settings(paths, os.environ))
    except TierchatError as error:
        print(f"{error.message}\nhint: {error.hint}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
