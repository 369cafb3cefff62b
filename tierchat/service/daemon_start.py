"""Starting a daemon: of many commands that need one, one starts it and the others wait.

Does not know what the commands ask of the daemon afterwards.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TextIO

from tierchat.config.catalogue_files import load_catalogue
from tierchat.config.settings import load_settings, setting_sources
from tierchat.errors import DaemonUnreachable
from tierchat.paths import Paths, make_private
from tierchat.process_lock import read_holder

_START_S = 20.0
_CONNECT_S = 5.0
_POLL_S = 0.01
_LOG_LINES = 5
# How a hint begins in the log of a daemon that did not start.
HINT = "hint: "
_MAX_LOG_BYTES = 1_000_000
_LEAST_FREE_BYTES = 65_536


def ensure_running(paths: Paths) -> None:
    """Start a daemon unless one listens, and wait until it listens.

    Raises DaemonUnreachable with the last lines of its log, ConfigError, or UnsafePath.
    """
    _Starter(paths).run()


class _Starter:
    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        # Where the log of the daemon that we start begins.
        self._log_begin = 0

    def run(self) -> None:
        for directory in (self._paths.runtime_dir, self._paths.state_dir):
            make_private(directory)
        with self._paths.start_lock.open("a+") as lock:
            self._take(lock)
            if not self._answers():
                self._wait_for(self._spawn())

    def _take(self, lock: TextIO) -> None:
        """Wait for our turn to start a daemon; whoever has it writes down its PID."""
        ends_s = time.monotonic() + 2 * _START_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > ends_s:
                    lock.seek(0)
                    raise DaemonUnreachable(
                        f"another command (PID {lock.read().strip() or '?'}) has been starting the "
                        f"daemon for {2 * _START_S:g} s",
                        "it may be stopped: let it go on, for instance with `fg`, or end it",
                    ) from error
                time.sleep(_POLL_S)
        lock.truncate(0)
        # A full disk is no reason not to start.
        with contextlib.suppress(OSError):
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())

    def _spawn(self) -> subprocess.Popen[bytes]:
        path = self._paths.daemon_log
        env = dict(os.environ)
        if home := env.get("TIERCHAT_HOME"):
            # The child starts in another directory, where a relative home would be another one.
            env["TIERCHAT_HOME"] = os.path.abspath(os.path.expanduser(home))
        if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._log_begin = os.fstat(log).st_size
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "tierchat.service.daemon"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=env,
            )
        finally:
            os.close(log)

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        ends_s = time.monotonic() + _START_S
        while not self._answers():
            code = child.poll()
            if code == 0:
                self._refuse_daemon_elsewhere()
                # Ours ended, because an earlier daemon still finishes its last answers: try again.
                time.sleep(10 * _POLL_S)
                child = self._spawn()
            elif code is not None:
                # If a file has a mistake, reading it here raises a better error than the log's.
                settings = load_settings(self._paths, os.environ)
                sources = setting_sources(self._paths, os.environ)
                load_catalogue(self._paths).check_default(settings.cascade, sources["cascade"])
                raise self._did_not_start(code)
            if time.monotonic() > ends_s:
                raise self._no_answer()
            time.sleep(_POLL_S)
        # The daemon outlives this process; without a code, Popen would warn that it still runs.
        child.returncode = 0

    def _refuse_daemon_elsewhere(self) -> None:
        holder = read_holder(self._paths.daemon_lock)
        if holder is not None and holder.is_elsewhere:
            raise DaemonUnreachable(
                f"the daemon of this home runs on another machine ({holder})",
                "run `tierchat daemon down` there, or set TIERCHAT_HOME to a directory of this one",
            )

    def _no_answer(self) -> DaemonUnreachable:
        holder = read_holder(self._paths.daemon_lock)
        if holder is not None and holder.pid != "?" and not self._paths.socket.exists():
            return DaemonUnreachable(
                f"the daemon ({holder}) runs, but its socket {self._paths.socket} is gone",
                f"end it with `kill {holder.pid}`; the next command starts another",
            )
        return DaemonUnreachable(
            f"the daemon did not answer within {_START_S:g} s of its start", self._look_at_log()
        )

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_S)
            return probe.connect_ex(str(self._paths.socket)) == 0

    def _look_at_log(self) -> str:
        return f"the log: {self._paths.daemon_log}"

    def _in_silence(self, code: int) -> str:
        """Say why a daemon may have left nothing in its log."""
        directory = self._paths.state_dir
        if shutil.disk_usage(directory).free < _LEAST_FREE_BYTES:
            return f"the disk of {directory} is full"
        ended = f"signal {-code} ended it" if code < 0 else f"it ended with code {code}"
        return f"{ended} and wrote nothing into its log"

    def _did_not_start(self, code: int) -> DaemonUnreachable:
        try:
            with self._paths.daemon_log.open(errors="replace") as log:
                log.seek(self._log_begin)
                lines = log.read().splitlines()
        except OSError:
            lines = ["it left no log"]
        hint = ""
        # What the daemon raises on purpose ends with its own hint.
        if lines and lines[-1].startswith(HINT):
            hint = lines.pop().removeprefix(HINT)
        said = " / ".join(lines[-_LOG_LINES:]) or self._in_silence(code)
        return DaemonUnreachable(
            f"the daemon did not start: {said}",
            "; ".join(filter(None, (hint, self._look_at_log()))),
        )
