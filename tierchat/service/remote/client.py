"""A tierchat elsewhere, seen from a command: asks it, and says what is wrong on the way to it.

Does not know terminals. Imports the standard library and msgspec only, and TLS when it is spoken.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from tierchat import __version__
from tierchat.conversations.changes import LogChange
from tierchat.errors import (
    DaemonUnreachable,
    KeyRefused,
    NetworkError,
    TierchatError,
    UsageError,
)
from tierchat.events import CascadeEvent, Notice
from tierchat.service.messages import DaemonStatus
from tierchat.service.openai.reading import read_error, read_events, read_names
from tierchat.service.openai_format import LIVE_HEADER, VERSION_HEADER, write_request
from tierchat.service.remote.address import ServerAddress
from tierchat.types import Prompt

_CONNECT_S = 10.0
# A stream sends a sign of life every 15 s.
_SILENCE_S = 90.0
_ANOTHER_VERSION = "use the same version of tierchat on both machines"


class RemoteClient:
    """One server and the key for it. The key is sent nowhere else: redirections are errors."""

    def __init__(self, server: ServerAddress, key: str) -> None:
        self._server, self._key = server, key

    @property
    def url(self) -> str:
        return self._server.url

    def ask(self, prompt: Prompt) -> Iterator[CascadeEvent]:
        """Yield the events of one prompt, `Done` last; closing the iterator cancels the work.

        Raises the error that the server reports, DaemonUnreachable, KeyRefused, or NetworkError.
        """
        connection, response = self._begin("POST", "/v1/chat/completions", write_request(prompt))
        with contextlib.closing(connection), contextlib.closing(response):
            version = response.getheader(VERSION_HEADER)
            if version is None:
                raise self._not_ours()
            if version != __version__:
                yield Notice(
                    text=f"the tierchat at {self.url} is version {version}, this is {__version__}"
                )
            try:
                is_whole = yield from read_events(response)
            except DaemonUnreachable as error:
                raise DaemonUnreachable(error.message, _ANOTHER_VERSION) from error
            except (OSError, http.client.HTTPException) as error:
                raise self._lost() from error
        if not is_whole:
            raise self._lost()

    def status(self) -> DaemonStatus:
        """Return the description of the daemon there; raises as `ask` does."""
        try:
            return msgspec.json.decode(self._read("/tierchat/status"), type=DaemonStatus)
        except ValueError as error:
            raise DaemonUnreachable(
                f"cannot read the status of {self.url}: {error}", _ANOTHER_VERSION
            ) from error

    def start(self) -> DaemonStatus:
        """Return the status: a daemon elsewhere is not started from here."""
        return self.status()

    def models(self) -> tuple[str, ...]:
        """Return the names that can be asked; raises as `ask` does."""
        try:
            return read_names(self._read("/v1/models"))
        except ValueError as error:
            raise self._not_ours() from error

    def change_log(self, _change: LogChange) -> NoReturn:
        """Raise UsageError: conversations with a server are not saved."""
        raise UsageError(
            f"conversations with {self.url} are not saved", "/export needs a saved chat, too"
        )

    def _read(self, path: str) -> bytes:
        connection, response = self._begin("GET", path)
        with contextlib.closing(connection), contextlib.closing(response):
            try:
                return response.read()
            except (OSError, http.client.HTTPException) as error:
                raise self._lost() from error

    def _begin(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send a request; returns the connection, and a reply with the status 200."""
        headers = {LIVE_HEADER: "1"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        # Closing is what cancels the work; a traceback would keep the socket open.
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(contextlib.closing(self._connection()))
            try:
                connection.connect()
                assert isinstance(connection.sock, socket.socket)
                connection.sock.settimeout(_SILENCE_S)
                connection.request(method, self._server.path + path, body, headers)
                response = stack.enter_context(contextlib.closing(connection.getresponse()))
                if response.status != 200:
                    raise self._refusal(response)
            except (OSError, http.client.HTTPException) as error:
                raise self._explained(error) from error
            stack.pop_all()
            return connection, response

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._server.host, self._server.port
        if self._server.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_CONNECT_S)
        return http.client.HTTPSConnection(host, port, timeout=_CONNECT_S)

    def _refusal(self, response: http.client.HTTPResponse) -> TierchatError:
        if 300 <= response.status < 400:
            place = response.getheader("Location", "elsewhere")
            return NetworkError(
                f"{self.url} sends its clients to {place}", "give that address, if you trust it"
            )
        body = response.read()
        error = read_error(body, response.status)
        if isinstance(error, KeyRefused) or response.status == 401:
            what = "refused the key" if self._key else "asks for a key"
            return KeyRefused(
                f"{self.url} {what}",
                "set TIERCHAT_KEY, or server_key_file to a file that holds it; on the machine that "
                "serves, `tierchat serve --show-key` prints it",
            )
        if type(error) is DaemonUnreachable and "without saying why" in error.message:
            return self._not_ours(f" ({response.status})")
        return error

    def _explained(self, error: OSError | http.client.HTTPException) -> TierchatError:
        """Say what an error on the way means; ssl is loaded if TLS was spoken."""
        url = self.url
        if isinstance(error, ConnectionRefusedError):
            return DaemonUnreachable(
                f"nothing listens at {url}",
                "run `tierchat serve` there; for other machines it needs --host and --expose",
            )
        if isinstance(error, socket.gaierror):
            return DaemonUnreachable(
                f"no machine is named {self._server.host}: {error.strerror}",
                "check --server, TIERCHAT_SERVER or server in config.toml",
            )
        if isinstance(error, TimeoutError):
            return DaemonUnreachable(f"{url} did not answer in time", "try again")
        if self._server.scheme == "https":
            import ssl

            if isinstance(error, ssl.SSLCertVerificationError):
                return NetworkError(
                    f"the certificate of {url} is not trusted: {error.verify_message}",
                    "if you know it: SSL_CERT_FILE=FILE, with the certificate in FILE",
                )
            if isinstance(error, ssl.SSLError):
                return NetworkError(
                    f"{url} does not speak TLS: {error.reason or error}",
                    "write http:// if it is meant to be unencrypted",
                )
        if isinstance(error, ConnectionResetError | http.client.HTTPException):
            hint = "if it speaks TLS, write https://" if self._server.scheme == "http" else ""
            return NetworkError(f"{url} closed the connection without an answer", hint)
        return DaemonUnreachable(f"cannot reach {url}: {error.strerror or error}")

    def _not_ours(self, what: str = "") -> NetworkError:
        return NetworkError(
            f"what listens at {self.url} is no tierchat{what}",
            "for other servers, use their own client",
        )

    def _lost(self) -> DaemonUnreachable:
        return DaemonUnreachable(
            f"the connection to {self.url} was lost; what was shown is incomplete", "ask again"
        )
