"""The daemon seen from a command: find it, start it, ask it, stop it.

Does not know terminals. Imports the standard library and msgspec only, because every `ask` waits
for these imports.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.conversations.changes import LogChange
from tierchat.errors import DaemonUnreachable, OtherHome, TierchatError
from tierchat.events import CascadeEvent, Notice
from tierchat.paths import Paths
from tierchat.service.daemon_connection import DaemonConnection
from tierchat.service.messages import DaemonStatus, LoadReport, ModelsChange, RowsChanged
from tierchat.service.openai.reading import read_error, read_events, read_names, unreadable
from tierchat.service.openai_format import VERSION_HEADER, write_request
from tierchat.service.peer import peer_of
from tierchat.service.processes import is_running, is_stopped
from tierchat.types import Prompt

_CONNECT_S = 5.0
_POLL_S = 0.01
_SILENCE_S = 90.0
# Enough for a large model on a slow disk.
_LOAD_S = 900.0
_KILLED_S = 10.0


class Client:
    """The daemon of one user; starts it when needed, unless `starts_daemon` is False."""

    def __init__(self, paths: Paths, *, starts_daemon: bool = True) -> None:
        self._paths = paths
        self._starts_daemon = starts_daemon

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]:
        """Yield the events of one prompt, `Done` last; closing the iterator cancels the work.

        Raises the error that the daemon reports, or DaemonUnreachable if the daemon cannot be
        started or the connection is lost.
        """
        body = write_request(prompt)
        connection, response = self._post(body)
        # A reply that says `Connection: close` owns the socket; otherwise the connection does.
        with contextlib.closing(connection), contextlib.closing(response):
            if response.status != 200:
                raise self._refusal(response)
            version = response.getheader(VERSION_HEADER)
            if version != __version__:
                yield Notice(
                    text=f"the daemon is version {version or 'unknown'}, this is {__version__}: "
                    "`tierchat daemon down` lets the next command start the new one"
                )
            yield from self._events(response)

    def load(self, name: str) -> tuple[LoadReport, ...]:
        """Let the daemon load a model, or the models of a tier or cascade; raises its error."""
        return self._change_models("load", name)

    def unload(self, name: str) -> tuple[LoadReport, ...]:
        """Let the daemon unload a model, or the models of a tier or cascade; raises its error."""
        return self._change_models("unload", name)

    def _change_models(self, action: str, name: str) -> tuple[LoadReport, ...]:
        reply = self._send(f"/tierchat/{action}", ModelsChange(name=name), _LOAD_S)
        return msgspec.json.decode(reply, type=tuple[LoadReport, ...])

    def reload_if_running(self) -> bool:
        """Let a running daemon read its files again; False if no daemon is running.

        Raises ConfigError if a file is wrong; the daemon then keeps its previous settings.
        """
        if self.status() is None:
            return False
        self._send("/tierchat/reload", {}, _SILENCE_S)
        return True

    def change_log(self, change: LogChange) -> int:
        """Let the daemon change saved conversations; returns the number of changed rows.

        Raises the error that the daemon reports, or DaemonUnreachable.
        """
        reply = self._send("/tierchat/log", change, _SILENCE_S)
        return msgspec.json.decode(reply, type=RowsChanged).changed

    def _send(self, path: str, value: Any, timeout_s: float) -> bytes:
        self._ensure_running()
        try:
            return self._request("POST", path, timeout_s, msgspec.json.encode(value))
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def status(self) -> DaemonStatus | None:
        """Return the daemon's description of itself, or None if no daemon is running.

        Raises DaemonUnreachable for a daemon that does not answer, that works for another home, or
        whose version describes itself in a format we cannot read.
        """
        try:
            return self._status()
        except (OSError, http.client.HTTPException):
            return None
        except ValueError as error:
            raise unreadable(error) from error

    def start(self) -> DaemonStatus:
        """Start a daemon unless one runs, and return its status; raises DaemonUnreachable."""
        self._ensure_running()
        status = self.status()
        if status is None:
            raise DaemonUnreachable("the daemon ended right after its start", self._log_hint())
        return status

    def models(self) -> tuple[str, ...]:
        """Return the names that a running daemon can be asked; raises its error."""
        try:
            return read_names(self._request("GET", "/v1/models", _CONNECT_S))
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        except ValueError as error:
            raise unreadable(error) from error

    def stop(self, timeout_s: float = 13.0) -> bool:
        """Stop the daemon and wait for its end; False if no daemon was running.

        A daemon that has not ended after `timeout_s` is killed. The kernel says which process
        listens on our socket, so no other process is ever killed. Raises DaemonUnreachable if the
        daemon survives that.
        """
        pid = self._listener()
        if pid is None:
            return False
        if is_stopped(pid):
            # A stopped process cannot finish its answers; one that goes on can.
            os.kill(pid, signal.SIGCONT)
        try:
            self._request("POST", "/tierchat/shutdown", _CONNECT_S)
        except OtherHome:
            raise
        except (OSError, http.client.HTTPException, DaemonUnreachable):
            pass
        ends_s = time.monotonic() + timeout_s
        while is_running(pid):
            if time.monotonic() > ends_s:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > ends_s + _KILLED_S:
                raise DaemonUnreachable(
                    f"the daemon (PID {pid}) does not end, although it was killed",
                    "it may wait for a disk; `tierchat ps` works again once it is gone",
                )
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

    def _post(self, body: bytes) -> tuple[DaemonConnection, http.client.HTTPResponse]:
        """Send a prompt; if the daemon is missing or ending, start one and send it once more."""
        for is_last in (False, True):
            connection = DaemonConnection(self._paths, _SILENCE_S)
            try:
                return connection, connection.ask("POST", "/v1/chat/completions", body)
            except TimeoutError as error:
                connection.close()
                raise connection.silent(_SILENCE_S) from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if is_last or not self._starts_daemon:
                    raise self._unreachable(error) from error
                self._ensure_running()
            except (KeyboardInterrupt, TierchatError):
                # Closing is what cancels the work; the traceback would keep the socket open.
                connection.close()
                raise
        raise AssertionError("unreachable")

    def _refusal(self, response: http.client.HTTPResponse) -> TierchatError:
        try:
            body = response.read()
        except (OSError, http.client.HTTPException):
            return self._lost()
        return read_error(body, response.status)

    def _events(self, response: http.client.HTTPResponse) -> Iterator[CascadeEvent]:
        try:
            is_whole = yield from read_events(response)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost() from error
        if not is_whole:
            raise self._lost()

    def _ensure_running(self) -> None:
        # Imported here because most commands find a daemon running.
        from tierchat.service.daemon_start import ensure_running

        ensure_running(self._paths)

    def _log_hint(self) -> str:
        return f"the log: {self._paths.daemon_log}"

    def _lost(self) -> DaemonUnreachable:
        return DaemonUnreachable(
            "the connection to the daemon was lost; what was shown is incomplete",
            "ask again: the next command starts it; `tierchat daemon logs` may say why it ended",
        )

    def _unreachable(self, error: BaseException) -> DaemonUnreachable:
        if not self._starts_daemon:
            return DaemonUnreachable("the daemon is not running", "tierchat daemon up")
        return DaemonUnreachable(
            f"cannot talk to the daemon at {self._paths.socket}: {error}",
            self._log_hint(),
        )

    def _status(self) -> DaemonStatus:
        reply = self._request("GET", "/tierchat/status", _CONNECT_S)
        return msgspec.json.decode(reply, type=DaemonStatus)

    def _request(
        self, method: str, path: str, timeout_s: float, body: bytes | None = None
    ) -> bytes:
        with contextlib.closing(DaemonConnection(self._paths, timeout_s)) as connection:
            try:
                response = connection.ask(method, path, body)
                reply = response.read()
            except TimeoutError as error:
                raise connection.silent(timeout_s) from error
        if response.status >= 400:
            raise read_error(reply, response.status)
        return reply


def tell_daemon(paths: Paths, on_note: Callable[[str], None]) -> None:
    """Let a running daemon read its files again; a note says why it could not."""
    try:
        Client(paths, starts_daemon=False).reload_if_running()
    except TierchatError as error:
        on_note(f"the daemon keeps the previous settings: {error.message}")
