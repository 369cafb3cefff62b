"""The daemon: one per home. It holds the workers and serves the socket until it is stopped.

Never imports llama.cpp: a bad model file must not be able to take it down.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

from tierchat import __version__
from tierchat.atomic_file import append_quietly
from tierchat.config.settings import Settings, load_settings
from tierchat.errors import DaemonUnreachable, TierchatError, UnsafePath
from tierchat.models.placement.hardware import resident_bytes
from tierchat.paths import Paths, find_paths, make_private, shown
from tierchat.process_lock import ProcessLock
from tierchat.service.admission import Admission
from tierchat.service.daemon_controls import DaemonControls
from tierchat.service.daemon_socket import bind, remove_socket
from tierchat.service.daemon_start import HINT
from tierchat.service.home.home_cascade import HomeCascade
from tierchat.service.http.limits import Limits
from tierchat.service.http.listener import Http
from tierchat.service.lessons.activity import Activity
from tierchat.service.lessons.teacher import Teacher
from tierchat.service.messages import DaemonStatus
from tierchat.service.monitoring.measured import MeasuredAnswerer, MeasuredApp
from tierchat.service.monitoring.metrics import Metrics
from tierchat.service.monitoring.running import RunningPrompts
from tierchat.service.network.order import ServeOrder, order_of
from tierchat.service.network.serving import Serving
from tierchat.service.protocols import AnsweringKeeper, ModelKeeper
from tierchat.service.recorder import Recorder
from tierchat.service.routes import Service
from tierchat.service.until_stopped import UntilStopped

GRACE_S = 10.0
_LAST_STEPS_S = 1.5

Build = Callable[[Paths, Settings], AnsweringKeeper]


class Daemon:
    """One run of the service, from a bound socket to the last ended worker."""

    def __init__(
        self,
        keeper: ModelKeeper,
        until_stopped: UntilStopped,
        recorder: Recorder,
        admission: Admission,
        teacher: Teacher,
        paths: Paths,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self._keeper = keeper
        self._until_stopped = until_stopped
        self._recorder = recorder
        self._admission = admission
        self._teacher = teacher
        self._paths = paths
        self._metrics = metrics
        self._limits = limits
        self._running = RunningPrompts()
        self._serving = Serving(paths, limits, metrics.turned_away)
        self._started_s = time.monotonic()
        self._stopping = asyncio.Event()

    async def run(self, listener: socket.socket, order: ServeOrder | None = None) -> None:
        """Serve until SIGTERM, SIGINT, SIGHUP or a request to stop; over TCP as `order` says.

        Answers under way then get GRACE_S to finish.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        controls = DaemonControls(
            status=self.status,
            stop=self._stopping.set,
            change_log=self._recorder.change,
            log=self._recorder,
            paths=self._paths,
            serving=self._serving,
            metrics=self._metrics,
            running=self._running,
        )
        measured = MeasuredAnswerer(self._recorder, self._metrics, lambda: self._keeper.default)
        service = Service(measured, self._keeper, self._admission, controls, self._limits)
        app = MeasuredApp(service.app(), self._metrics)
        http = Http(app, GRACE_S, self._limits)
        self._serving.offer(http, app)
        if order:
            await self._serving.open_by_settings(order)
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        preloading = asyncio.create_task(self._keeper.preload())
        teaching = asyncio.create_task(self._teacher.run())
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
        preloading.cancel()
        teaching.cancel()
        await self._drain()
        await self._serving.close()
        http.should_exit = True
        await asyncio.wait((serving,), timeout=_LAST_STEPS_S)
        http.force_exit = True
        await asyncio.gather(preloading, teaching, return_exceptions=True)
        await self._keeper.close()
        await self._recorder.close()

    async def _drain(self) -> None:
        # The socket's name goes first: clients that connect from now on start the next daemon.
        self._admission.close()
        try:
            remove_socket(self._paths.socket)
        except UnsafePath as error:
            append_quietly(1, f"{error.message}: left alone")
        ends_s = time.monotonic() + GRACE_S
        while self._admission.num_active and time.monotonic() < ends_s:
            await asyncio.sleep(0.02)
        self._until_stopped.stop()
        while self._admission.num_active and time.monotonic() < ends_s + _LAST_STEPS_S:
            await asyncio.sleep(0.02)

    def status(self) -> DaemonStatus:
        """Describe the daemon and its workers."""
        return DaemonStatus(
            pid=os.getpid(),
            version=__version__,
            uptime_s=time.monotonic() - self._started_s,
            socket=shown(self._paths.socket),
            cascades=self._keeper.cascades(),
            default_cascade=self._keeper.default,
            workers=self._keeper.status_of_workers(),
            rss_bytes=resident_bytes(os.getpid()),
            num_active=self._admission.num_active,
            num_waiting=self._admission.num_waiting,
            is_stopping=self._stopping.is_set(),
            teaching=self._teacher.cascade,
            is_teaching_paused=self._teacher.is_paused,
            serving=self._serving.status,
            prompts=self._running.now(self._keeper.default),
            tiers=self._metrics.by_tier(),
        )


def run_daemon(
    paths: Paths, settings: Settings, build: Build = HomeCascade, limits: Limits | None = None
) -> int:
    """Run the daemon of this home and return its exit code.

    If another one already runs, print that and return 0. Raises ConfigError, UnsafePath, and
    DaemonUnreachable while the daemon of another home writes to the same data directory.
    """
    for directory in (paths.runtime_dir, paths.state_dir):
        make_private(directory)
    # Without a place for conversations prompts are still answered; the recorder says what is wrong.
    with contextlib.suppress(UnsafePath):
        make_private(paths.data_dir)
    lock = ProcessLock(paths.daemon_lock)
    if not lock.take():
        append_quietly(1, f"already running ({lock.holder()}); not starting a second daemon")
        return 0
    _lock_conversations(paths)
    home = build(paths, settings)
    listener = bind(paths.socket)
    append_quietly(1, f"{time.strftime('%F %T')} daemon {__version__}, PID {os.getpid()}")

    async def serve() -> None:
        activity = Activity(home)
        until_stopped = UntilStopped(activity)
        recorder = Recorder(until_stopped, home, paths.log_file)
        metrics = Metrics()
        admission = Admission(settings.max_active, settings.max_waiting, metrics.queue_s.add)
        teacher = Teacher(home, activity, paths, settings)
        daemon = Daemon(
            home, until_stopped, recorder, admission, teacher, paths, metrics, limits or Limits()
        )
        await daemon.run(listener, order_of(settings) if settings.serve else None)

    asyncio.run(serve())
    append_quietly(1, f"{time.strftime('%F %T')} daemon ended, PID {os.getpid()}")
    return 0


def _lock_conversations(paths: Paths) -> None:
    """Lock the data directory until this process ends, unless it cannot be written at all."""
    try:
        lock = ProcessLock(paths.writer_lock)
    except OSError:
        return
    if not lock.take():
        writer = lock.holder()
        end = "end that daemon" + ("" if writer.is_elsewhere else f" with `kill {writer.pid}`")
        raise DaemonUnreachable(
            f"the conversations in {paths.data_dir} are written by the daemon of another home "
            f"({writer})",
            f"{end}, or give this home a data directory of its own",
        )


def main() -> int:
    """Entry of `python -m tierchat.service.daemon`, as the client starts it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    try:
        paths = find_paths(os.environ)
        return run_daemon(paths, load_settings(paths, os.environ))
    except TierchatError as error:
        append_quietly(1, f"{error.message}\n{HINT}{error.hint}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
