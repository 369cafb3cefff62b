"""Listening on TCP, ordered from a command over the daemon's Unix socket.

Does not know terminals.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator

import msgspec

from tierchat.errors import DaemonUnreachable, TierchatError, error_from_code
from tierchat.paths import Paths
from tierchat.service.client import Client
from tierchat.service.daemon_connection import DaemonConnection
from tierchat.service.messages import ServeStatus
from tierchat.service.network.order import ServeEvent, ServeOrder
from tierchat.service.openai.reading import read_error

_SILENCE_S = 90.0
_DATA = b"data: "


class _Failed(msgspec.Struct):
    """An error that comes after the first line of a stream."""

    message: str
    code: str | None = None
    hint: str | None = None


class _Line(msgspec.Struct):
    error: _Failed | None = None


class ServeClient:
    """Orders to the daemon of one user, which is started when needed."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._client = Client(paths)

    def status(self) -> ServeStatus | None:
        """Return how the daemon listens, None if no daemon runs; raises DaemonUnreachable."""
        found = self._client.status()
        return found.serving if found else None

    def open(self, order: ServeOrder) -> ServeStatus:
        """Let the daemon listen until it ends or is told; raises its error."""
        self._client.start()
        return msgspec.json.decode(self._post("serve", order), type=ServeStatus)

    def close(self) -> bool:
        """Let the daemon stop listening; False if it did not listen, or does not run."""
        if self._client.status() is None:
            return False
        reply: dict[str, bool] = msgspec.json.decode(self._post("unserve", {}))
        return reply["was_serving"]

    def lease(self, order: ServeOrder) -> Iterator[ServeEvent]:
        """Let the daemon listen while the iterator is open; yields its events.

        Raises the error that the daemon reports, or DaemonUnreachable if the connection is lost.
        """
        self._client.start()
        order = msgspec.structs.replace(order, is_lease=True)
        with contextlib.closing(DaemonConnection(self._paths, _SILENCE_S)) as connection:
            response = connection.ask("POST", "/tierchat/serve", msgspec.json.encode(order))
            with contextlib.closing(response):
                if response.status != 200:
                    raise _refusal(response.read(), response.status)
                try:
                    yield from _events(response)
                except (OSError, http.client.HTTPException) as error:
                    raise self._lost() from error
        raise self._lost()

    def _post(self, path: str, value: object) -> bytes:
        with contextlib.closing(DaemonConnection(self._paths, _SILENCE_S)) as connection:
            response = connection.ask("POST", f"/tierchat/{path}", msgspec.json.encode(value))
            reply = response.read()
        if response.status >= 400:
            raise _refusal(reply, response.status)
        return reply

    def _lost(self) -> DaemonUnreachable:
        return DaemonUnreachable(
            "the daemon ended, and nothing listens any more", f"the log: {self._paths.daemon_log}"
        )


def _refusal(reply: bytes, status: int) -> TierchatError:
    if status == 404:
        return DaemonUnreachable(
            "the daemon that runs is an older version, which does not listen on TCP",
            "tierchat daemon down; the next command starts this version",
        )
    return read_error(reply, status)


def _events(response: http.client.HTTPResponse) -> Iterator[ServeEvent]:
    for line in response:
        if not line.startswith(_DATA):
            continue
        data = line.removeprefix(_DATA)
        if failed := msgspec.json.decode(data, type=_Line).error:
            raise error_from_code(failed.code or "", failed.message, failed.hint or "")
        yield msgspec.json.decode(data, type=ServeEvent)
