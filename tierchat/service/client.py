"""The daemon seen from a command: find it, start it, ask it, stop it.

Does not know terminals. Standard library and msgspec only, because every `ask` pays for it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tierchat import __version__
from tierchat.conversations.changes import LogChange
from tierchat.errors import DaemonUnreachable, TierchatError
from tierchat.events import AnswerDelta, CascadeEvent, Done, Hop, Notice, ThoughtDelta
from tierchat.paths import Paths
from tierchat.service.messages import DaemonStatus, ModelsChange, Residence
from tierchat.service.openai_format import VERSION_HEADER, write_request
from tierchat.service.openai_replies import read_chunk, read_error, unreadable
from tierchat.service.peer import peer_of
from tierchat.types import Prompt

_CONNECT_S = 5.0
_POLL_S = 0.01
_SILENCE_S = 90.0
# A large model from a slow disk.
_LOAD_S = 900.0
_KILLED_S = 10.0


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

    def load(self, name: str) -> tuple[Residence, ...]:
        """Have a model, a tier's or all of a cascade loaded; raises what the daemon reports."""
        return self._keep("load", name)

    def unload(self, name: str) -> tuple[Residence, ...]:
        """Have it unloaded likewise."""
        return self._keep("unload", name)

    def _keep(self, what: str, name: str) -> tuple[Residence, ...]:
        found = self._send(f"/tierchat/{what}", ModelsChange(name=name), _LOAD_S)
        return msgspec.json.decode(found, type=tuple[Residence, ...])

    def reload_if_running(self) -> bool:
        """Have a running daemon read its files anew; False when none is running.

        Raises ConfigError if they are wrong; it goes on with what it had.
        """
        if self.status() is None:
            return False
        self._send("/tierchat/reload", {}, _SILENCE_S)
        return True

    def change_log(self, change: LogChange) -> int:
        """Have the daemon change the log; returns how many rows it touched.

        Raises what the daemon reports, or DaemonUnreachable.
        """
        return int(msgspec.json.decode(self._send("/tierchat/log", change, _SILENCE_S))["changed"])

    def _send(self, path: str, value: Any, timeout_s: float) -> bytes:
        self._ensure_running()
        body = msgspec.json.encode(value)
        try:
            with contextlib.closing(_Connection(self._paths.socket, timeout_s)) as connection:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                found = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if response.status != 200:
            raise read_error(found, response.status)
        return found

    def status(self) -> DaemonStatus | None:
        """Return what the daemon says of itself, or None when none is running.

        Raises DaemonUnreachable when another version says it in words we do not know.
        """
        try:
            return self._status()
        except (OSError, http.client.HTTPException):
            return None
        except ValueError as error:
            raise unreadable(error) from error

    def start(self) -> DaemonStatus:
        """Make sure that a daemon runs, and describe it; raises DaemonUnreachable."""
        self._ensure_running()
        status = self.status()
        if status is None:
            raise DaemonUnreachable("the daemon ended right after its start", self._log_hint())
        return status

    def stop(self, timeout_s: float = 13.0) -> bool:
        """End the daemon and wait for it; False when none was running.

        A daemon that has not ended after `timeout_s` is killed: the kernel says which process
        listens on our socket, so no stranger is ever signalled. Raises DaemonUnreachable when
        even that does not end it.
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
            if time.monotonic() > ends_s + _KILLED_S:
                raise DaemonUnreachable(
                    f"the daemon (PID {pid}) does not end, not even killed",
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
            except KeyboardInterrupt:
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
        answer: list[str] = []
        thought: list[str] = []
        try:
            for line in response:
                if not line.startswith(b"data: "):
                    continue
                data = line[6:].strip()
                if data == b"[DONE]":
                    return
                for event in read_chunk(data):
                    if isinstance(event, AnswerDelta):
                        answer.append(event.text)
                    elif isinstance(event, ThoughtDelta):
                        thought.append(event.text)
                    elif isinstance(event, Hop):
                        thought.clear()
                    elif isinstance(event, Done):
                        event = _with_texts(event, "".join(answer), "".join(thought))
                    yield event
        except (OSError, http.client.HTTPException) as error:
            raise self._lost() from error
        raise self._lost()

    def _ensure_running(self) -> None:
        # Only the first command of a day starts a daemon; the others do not load what that takes.
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
        return msgspec.json.decode(self._request("GET", "/tierchat/status"), type=DaemonStatus)

    def _request(self, method: str, path: str) -> bytes:
        with contextlib.closing(_Connection(self._paths.socket, _CONNECT_S)) as connection:
            connection.request(method, path)
            return connection.getresponse().read()


def _with_texts(event: Done, answer: str, thought: str) -> Done:
    """Put the texts that were streamed before into the outcome, which comes without them."""
    return Done(outcome=msgspec.structs.replace(event.outcome, answer=answer, thought=thought))


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


def tell_daemon(paths: Paths, on_note: Callable[[str], None]) -> None:
    """Have a running daemon read what is known now."""
    try:
        Client(paths, starts_daemon=False).reload_if_running()
    except TierchatError as error:
        on_note(f"the daemon goes on with what it had: {error.message}")
