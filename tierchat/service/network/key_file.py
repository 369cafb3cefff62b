"""The key of the endpoint: a file that only its owner reads, made at first use.

Does not know HTTP. The key itself is never part of a message.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tierchat.atomic_file import changing_for_user, replace_file
from tierchat.errors import UnsafePath

_NUM_BYTES = 32
_PREFIX = "tc-"
_MAX_BYTES = 4096
# What fits into a header, and is too long to be guessed.
_KEY = re.compile(r"[!-~]{16,512}")
_MIN_LENGTH = 16
# What stands around a key in a URL; none of it is in a key that was made here.
_BETWEEN = re.compile(rb"[^A-Za-z0-9_-]+")
_NEW_KEY = "`tierchat serve --new-key` makes a new one"


class KeyFile:
    """The key in a file. A changed file is read again at the next question."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._digest: bytes | None = None

    def ensure(self) -> str:
        """Return the key, made now if there is none; raises UnsafePath."""
        with changing_for_user(self.path):
            if not self.path.exists():
                self._write()
        return self.read()

    def renew(self) -> str:
        """Replace the key; whoever has the old one is refused from now on. Raises UnsafePath."""
        with changing_for_user(self.path):
            self._write()
        return self.read()

    def read(self) -> str:
        """Return the key; raises UnsafePath for a file that is missing, unsafe or holds no key."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                data = file.read(_MAX_BYTES)
        except OSError as error:
            raise UnsafePath(f"cannot read {self.path}: {error.strerror}", _NEW_KEY) from error
        if status.st_uid not in (os.getuid(), 0) or status.st_mode & 0o077:
            raise UnsafePath(
                f"others can read the key in {self.path}",
                f"chmod 600 {self.path}; if they may have read it, {_NEW_KEY}",
            )
        key = data.decode("ascii", "replace").strip()
        if not _KEY.fullmatch(key):
            raise UnsafePath(
                f"{self.path} holds no key of 16 to 512 letters, digits and signs", _NEW_KEY
            )
        return key

    def matches(self, given: bytes) -> bool:
        """Whether this is the key; takes equally long for every wrong one. Raises UnsafePath."""
        digest = self._known_digest()
        return hmac.compare_digest(hashlib.sha256(given).digest(), digest)

    def is_within(self, url: bytes) -> bool:
        """Whether a part of a URL is the key; as slow for every wrong one. Raises UnsafePath."""
        text = unquote_to_bytes(url)
        # A key that was not made here may have any signs in the value of a parameter.
        values = [pair.partition(b"=")[2] for pair in re.split(rb"[?&]", text)]
        # A search for the key would be the slower the more of it is there.
        parts = [part for part in (*_BETWEEN.split(text), *values) if len(part) >= _MIN_LENGTH]
        digest = self._known_digest()
        same = [hmac.compare_digest(hashlib.sha256(part).digest(), digest) for part in parts]
        return any(same)

    def _known_digest(self) -> bytes:
        stamp = self._stamp_now()
        if self._digest is None or stamp != self._stamp:
            self._digest = None
            self._digest = hashlib.sha256(self.read().encode()).digest()
            self._stamp = stamp
        return self._digest

    def _stamp_now(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)

    def _write(self) -> None:
        key = _PREFIX + secrets.token_urlsafe(_NUM_BYTES)
        replace_file(self.path, f"{key}\n".encode())
