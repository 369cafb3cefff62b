"""The daemon seen from a command: find it, start it, ask it, stop it.

Does not know terminals. Standard library and msgspec only, because every `ask` pays for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.config import load_catalogue, load_settings
from tierchat.errors import DaemonUnreachable, Overloaded, TierchatError, error_from_code
from tierchat.openai_format import VERSION_HEADER, write_request
from tierchat.paths import Paths, make_private
from tierchat.peer import peer_of
from tierchat.types import (
    AnswerDelta,
    CascadeEvent,
    DaemonStatus,
    Done,
    Hop,
    Loading,
    Notice,
    Outcome,
    Prompt,
    ThoughtDelta,
)

_START_S = 20.0
_CONNECT_S = 5.0
_POLL_S = 0.01
_SILENCE_S = 90.0
_LOG_LINES = 5
_MAX_LOG_BYTES = 1_000_000


class _Connection(http.client.HTTPConnection):
    """HTTP over the daemon's Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """One user's way to their daemon; starts it when needed unless told not to."""

    def __init__(self, paths: Paths, *, starts_daemon: bool = True) -> None:
        self._paths = paths
        self._starts_daemon = starts_daemon

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]:
        """Yield the events of one prompt, `Done` last; closing the iterator cancels the work.

        Raises what the daemon reports, or DaemonUnreachable when it cannot be started or the
        connection is lost in the middle.
        """
        body = write_request(prompt)
        connection, response = self._post(body)
        with contextlib.closing(connection):
            if response.status != 200:
                raise _error(response.read(), response.status)
            version = response.getheader(VERSION_HEADER)
            if version != __version__:
                yield Notice(
                    text=f"the daemon is version {version}, this is {__version__}: "
                    "`tierchat daemon down` lets the next command start the new one"
                )
            yield from self._events(response)

    def status(self) -> DaemonStatus | None:
        """Return what the daemon says of itself, or None when none is running."""
        try:
            return self._status()
        except (OSError, http.client.HTTPException):
            return None

    def start(self) -> DaemonStatus:
        """Make sure that a daemon runs, and describe it; raises DaemonUnreachable."""
        self._ensure_running()
        status = self.status()
        if status is None:
            raise DaemonUnreachable("the daemon ended right after its start", self._look_at_log())
        return status

    def stop(self, timeout_s: float = 13.0) -> bool:
        """End the daemon and wait for it; False when none was running.

        A daemon that has not ended after `timeout_s` is killed: the kernel says which process
        listens on our socket, so no stranger is ever signalled.
        """
        pid = self._listener()
        if pid is None:
            return False
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._request("POST", "/tierchat/shutdown")
        ends_s = time.monotonic() + timeout_s
        while is_running(pid):
            if time.monotonic() > ends_s:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_S)
        return True

    def _listener(self) -> int | None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self._paths.socket)):
                return None
            peer = peer_of(probe)
        if peer is None:
            status = self.status()
            return status.pid if status else None
        return peer.pid if peer.uid == os.getuid() else None

    def _post(self, body: bytes) -> tuple[_Connection, http.client.HTTPResponse]:
        """Send a prompt; a daemon that is missing or ending is replaced once."""
        for is_last in (False, True):
            connection = _Connection(self._paths.socket, _SILENCE_S)
            try:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/v1/chat/completions", body, headers)
                return connection, connection.getresponse()
            except TimeoutError as error:
                connection.close()
                raise DaemonUnreachable(
                    f"the daemon did not answer within {_SILENCE_S:g} s",
                    "look at `tierchat daemon logs`, then `tierchat daemon down`",
                ) from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if is_last or not self._starts_daemon:
                    raise self._unreachable(error) from error
                self._ensure_running()
        raise AssertionError("unreachable")

    def _events(self, response: http.client.HTTPResponse) -> Iterator[CascadeEvent]:
        answer: list[str] = []
        thought: list[str] = []
        try:
            for line in response:
                if not line.startswith(b"data: "):
                    continue
                data = line[6:].strip()
                if data == b"[DONE]":
                    return
                for event in _read_chunk(data):
                    if isinstance(event, AnswerDelta):
                        answer.append(event.text)
                    elif isinstance(event, ThoughtDelta):
                        thought.append(event.text)
                    elif isinstance(event, Hop):
                        thought.clear()
                    elif isinstance(event, Done):
                        event = _completed(event, "".join(answer), "".join(thought))
                    yield event
        except (OSError, http.client.HTTPException) as error:
            raise self._lost() from error
        raise self._lost()

    def _lost(self) -> DaemonUnreachable:
        return DaemonUnreachable(
            "the connection to the daemon was lost; what was shown is incomplete",
            "ask again: the next command starts it; `tierchat daemon logs` may say why it ended",
        )

    def _unreachable(self, error: BaseException) -> DaemonUnreachable:
        if not self._starts_daemon:
            return DaemonUnreachable("the daemon is not running", "tierchat daemon up")
        return DaemonUnreachable(
            f"cannot talk to the daemon at {self._paths.socket}: {error}", self._look_at_log()
        )

    def _status(self) -> DaemonStatus:
        return msgspec.json.decode(self._request("GET", "/tierchat/status"), type=DaemonStatus)

    def _request(self, method: str, path: str) -> bytes:
        with contextlib.closing(_Connection(self._paths.socket, _CONNECT_S)) as connection:
            connection.request(method, path)
            return connection.getresponse().read()

    def _ensure_running(self) -> None:
        """Start a daemon unless one answers; racing commands wait for the first one's."""
        for directory in (self._paths.runtime_dir, self._paths.state_dir):
            make_private(directory)
        with self._paths.start_lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._answers():
                self._wait_for(self._spawn())

    def _spawn(self) -> subprocess.Popen[bytes]:
        path = self._paths.daemon_log
        if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "tierchat.daemon"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(log)

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        ends_s = time.monotonic() + _START_S
        while not self._answers():
            code = child.poll()
            if code == 0:
                # The one before us still finishes its last answers; ours left. Try again.
                time.sleep(10 * _POLL_S)
                child = self._spawn()
            elif code is not None:
                # A mistake in a file is told better by who reads it first-hand.
                load_settings(self._paths, os.environ)
                load_catalogue(self._paths)
                raise DaemonUnreachable(
                    f"the daemon did not start: {self._last_log_lines()}", self._look_at_log()
                )
            if time.monotonic() > ends_s:
                raise DaemonUnreachable(
                    f"the daemon did not answer within {_START_S:g} s of its start",
                    self._look_at_log(),
                )
            time.sleep(_POLL_S)
        # It outlives us; Popen would warn about a child it never waited for.
        child.returncode = 0

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_S)
            return probe.connect_ex(str(self._paths.socket)) == 0

    def _look_at_log(self) -> str:
        return f"the log: {self._paths.daemon_log}"

    def _last_log_lines(self) -> str:
        try:
            lines = self._paths.daemon_log.read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        return " / ".join(lines[-_LOG_LINES:])


def _read_chunk(data: bytes) -> Iterator[CascadeEvent]:
    chunk: dict[str, Any] = msgspec.json.decode(data)
    if "error" in chunk:
        raise _error(data, 200)
    extension = chunk.get("x_tierchat") or {}
    delta = chunk["choices"][0]["delta"]
    kind = extension.get("type")
    if delta.get("content"):
        yield AnswerDelta(text=delta["content"])
    if delta.get("reasoning_content"):
        yield ThoughtDelta(tier=extension.get("tier", ""), text=delta["reasoning_content"])
    if kind == "done":
        known = {"answer": "", "thought": "", **extension["outcome"]}
        yield Done(outcome=msgspec.convert(known, Outcome))
    elif kind in ("hop", "notice", "loading"):
        event: Hop | Notice | Loading = msgspec.convert(extension, Hop | Notice | Loading)
        yield event


def _completed(event: Done, answer: str, thought: str) -> Done:
    return Done(outcome=msgspec.structs.replace(event.outcome, answer=answer, thought=thought))


def _error(body: bytes, status: int) -> TierchatError:
    try:
        found = msgspec.json.decode(body)["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return DaemonUnreachable(
            f"the daemon answered {status} without saying why",
            f"another version may be running (this is {__version__}): tierchat daemon down",
        )
    error = error_from_code(found.get("code") or "", found["message"], found.get("hint") or "")
    if isinstance(error, Overloaded):
        error.retry_after_s = found.get("retry_after_s", error.retry_after_s)
    return error


def is_running(pid: int) -> bool:
    """Tell whether a process lives; one that only waits for its parent's notice does not."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
