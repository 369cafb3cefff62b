"""The certificate of an endpoint that speaks TLS, read again when its files change.

Does not know sockets.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from pathlib import Path

from tierchat.errors import UsageError

_FORM = "both are files in PEM format; the certificate comes first, then those that vouch for it"


class Certificate:
    """A certificate and its private key. One event loop owns it."""

    def __init__(self, cert: str, key: str) -> None:
        """Read both files; raises UsageError if they cannot be used."""
        self._cert, self._key = Path(cert).expanduser(), Path(key).expanduser()
        self._stamp = self._stamp_now()
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """Return what the next connection uses: a renewed certificate needs no restart.

        While the new files do not belong together, the old certificate stays.
        """
        if (stamp := self._stamp_now()) != self._stamp:
            with contextlib.suppress(UsageError):
                self._context, self._stamp = self._read(), stamp
        return self._context

    def _stamp_now(self) -> list[tuple[int, int]]:
        found = []
        for path in (self._cert, self._key):
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found.append((status.st_ino, status.st_mtime_ns))
        return found

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        for path in (self._cert, self._key):
            if not path.is_absolute():
                raise UsageError(f"{path} is no absolute path", "write the path from / on")
        try:
            # Without a password of ours, OpenSSL would ask for one at the terminal, and wait.
            context.load_cert_chain(self._cert, self._key, password=_no_password)
        except _Encrypted as error:
            raise UsageError(
                f"the private key {self._key} is encrypted",
                "make an unencrypted copy that only you can read: "
                "openssl pkey -in KEY -out COPY && chmod 600 COPY",
            ) from error
        except ssl.SSLError as error:
            said = error.reason or str(error)
            raise UsageError(
                f"cannot use {self._cert} with the private key {self._key}: {said}", _FORM
            ) from error
        except OSError as error:
            raise UsageError(
                f"cannot read {self._cert} and {self._key}: {error.strerror}", _FORM
            ) from error
        return context


class _Encrypted(Exception):
    """OpenSSL asks for a password."""


def _no_password() -> str:
    raise _Encrypted
