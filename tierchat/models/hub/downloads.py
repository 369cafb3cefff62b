"""Model files of the Hugging Face hub: present, taken from its cache, or downloaded and resumed.

Does not know catalogues, tiers or what is inside a GGUF; it prints nothing.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from tierchat.atomic_file import drop_left_lock, locked
from tierchat.errors import ModelCorrupt, ModelMissing, NetworkError, UsageError
from tierchat.models.file_stamp import FileStamp
from tierchat.models.hub.hub import OFFLINE_VARIABLES, Body, Hub, Published
from tierchat.models.hub.hub import is_offline as is_set_offline
from tierchat.models.hub.names import HubFile, validate_file_name, validate_repo, validate_revision
from tierchat.models.hub.part_file import (
    PartFile,
    disk_errors,
    missing_bytes,
    require_space,
)
from tierchat.models.hub.refusals import PassingFault, RangeRefused
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import make_private

_MAX_TRIES = 5
_MAX_BACKOFF_S = 30.0
_MAX_RETRY_AFTER_S = 120.0
_REPORT_EVERY_S = 0.1
T = TypeVar("T")
How = Literal["present", "adopted", "downloaded", "shared"]
OnBytes = Callable[[HubFile, int, int], None]


@dataclass(frozen=True)
class Fetched:
    """How a file came to its target; `num_bytes` of it came over the network."""

    how: How
    num_bytes: int
    duration_s: float


class Downloader:
    """Fetches files of the hub, each once, and accepts only the files that were published.

    `env` gives HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and HF_HUB_CACHE. `on_progress` gets how much
    of a file has arrived, `on_check` how much of it is hashed, both about ten times a second;
    `on_note` gets sentences for people. Calls block; one thread uses a Downloader.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        verified: VerifiedFiles,
        is_offline: bool = False,
        on_progress: OnBytes = lambda file, done, total: None,
        on_check: OnBytes = lambda file, done, total: None,
        on_note: Callable[[str], None] = lambda note: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._verified = verified
        self._hub = Hub(env)
        self._is_offline = is_offline or is_set_offline(env)
        self._offline_by = "--offline" if is_offline else " or ".join(OFFLINE_VARIABLES)
        self._on_progress = _seldom(on_progress)
        self._on_check = _seldom(on_check)
        self._on_note = on_note
        self._sleep = sleep

    def fetch(self, file: HubFile) -> Fetched:
        """Bring a file to its target, unless it is there already.

        Raises NetworkError, ModelMissing, ModelCorrupt, DoesNotFit or UnsafePath. The bytes that
        arrived before an error or a signal are kept for the next call.
        """
        begun_s = time.monotonic()
        how, num_bytes = self._fetch(file)
        return Fetched(how, num_bytes, time.monotonic() - begun_s)

    def adopt(self, file: HubFile, source: Path) -> None:
        """Link the target to a file elsewhere: by a hard link, or else by a symbolic link.

        The source is never changed. Raises ModelMissing or ModelCorrupt.
        """
        real = source.resolve()
        self._verified.check(real, file.sha256, self._checker(file))
        if file.size_bytes not in (None, real.stat().st_size):
            raise ModelCorrupt(f"{source} does not have the size of the published file")
        _make_directory(file.target)
        beside = file.target.with_name(file.target.name + ".link")
        with disk_errors(file.target):
            beside.unlink(missing_ok=True)
            try:
                beside.hardlink_to(real)
            except OSError:
                # Another file system, or the file of another user.
                beside.symlink_to(real)
            os.replace(beside, file.target)
            # When both were links to the same file, the rename left this one in place.
            beside.unlink(missing_ok=True)
        self._remember(file)

    def describe(self, repo: str, revision: str, file: str) -> Published:
        """Ask the hub for a file's size, sha256 and commit.

        Raises UsageError, NetworkError or ModelMissing.
        """
        validate_repo(repo)
        validate_revision(revision)
        validate_file_name(file)
        self._refuse_offline(f"{repo}/{file}")
        return self._patiently(lambda: self._hub.describe(repo, revision, file))

    def list_files(self, repo: str, revision: str = "main") -> list[str]:
        """List the GGUFs of a repo, without those whose names could do harm; each gives a note.

        Raises UsageError, NetworkError or ModelMissing.
        """
        validate_repo(repo)
        validate_revision(revision)
        self._refuse_offline(repo)
        names = self._patiently(lambda: self._hub.list_files(repo, revision))
        return [name for name in names if name.lower().endswith(".gguf") and self._is_sound(name)]

    def check_disk_space(self, files: Iterable[HubFile]) -> None:
        """Raise DoesNotFit, before the first byte, unless the disk has room for what is missing."""
        require_space({file.target: self._missing_bytes(file) for file in files})

    def _fetch(self, file: HubFile) -> tuple[How, int]:
        stamp = FileStamp.of(file.target)
        if self._is_present(file):
            # A pull that was killed after the last byte has left its lock file.
            drop_left_lock(file.target)
            return "present", 0
        if not self._is_offline and None in (file.size_bytes, file.sha256):
            file = self._completed(file)
        if self._is_adopted(file):
            return "adopted", 0
        self._refuse_offline(file.target.name)
        _make_directory(file.target)
        with contextlib.ExitStack() as lock:
            with disk_errors(file.target):
                lock.enter_context(locked(file.target, self._waiter(file)))
            # Another process may have fetched it since the first look.
            if FileStamp.of(file.target) != stamp and self._is_present(file):
                return "shared", 0
            return "downloaded", self._download(file)

    def _is_present(self, file: HubFile) -> bool:
        there = FileStamp.of(file.target)
        if there is None:
            return False
        if file.size_bytes not in (None, there.size_bytes):
            self._on_note(f"{file.target} does not have the size of the published file")
            return False
        try:
            self._verified.check(file.target, file.sha256, self._checker(file))
        except ModelCorrupt as error:
            self._on_note(error.message)
            return False
        return True

    def _is_adopted(self, file: HubFile) -> bool:
        for source in self._hub.cached(file):
            try:
                self.adopt(file, source)
            except (ModelCorrupt, ModelMissing) as error:
                self._on_note(f"not taken from the Hugging Face cache: {error.message}")
            else:
                return True
        return False

    def _completed(self, file: HubFile) -> HubFile:
        """Ask the hub for the size and hash that the catalogue does not give."""
        published = self.describe(file.repo, file.revision, file.file)
        return replace(
            file,
            size_bytes=published.size_bytes if file.size_bytes is None else file.size_bytes,
            sha256=file.sha256 or published.sha256,
        )

    def _download(self, file: HubFile) -> int:
        self.check_disk_space([file])
        total_bytes = file.size_bytes or 0
        with PartFile(file.target, total_bytes) as part:
            part.take_up(self._checker(file))
            if part.size_bytes < total_bytes:
                self._patiently(lambda: self._receive(file, part), lambda: part.size_bytes)
            self._on_progress(file, total_bytes, total_bytes)
            part.publish(file.sha256)
            self._remember(file)
            return part.num_appended

    def _receive(self, file: HubFile, part: PartFile) -> None:
        """Append the bytes of one response of the hub, until the connection ends."""
        try:
            with self._hub.body(file, part.size_bytes) as body:
                _check_beginning(body, file, part)
                for block in body.blocks:
                    part.append(block)
                    self._on_progress(file, part.size_bytes, file.size_bytes or 0)
        except RangeRefused:
            part.drop()
            raise
        if part.size_bytes < (file.size_bytes or 0):
            raise PassingFault(f"the connection ended before the end of {file.file}")

    def _patiently(self, act: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
        """Repeat `act` after each PassingFault, with growing waits.

        Gives up after five failures in a row without progress, and when the hub asks for too long
        a wait.
        """
        num_failures, best = 0, progress()
        while True:
            try:
                return act()
            except PassingFault as fault:
                # Progress is more than ever arrived before: a server may make us begin again.
                num_failures = 1 if progress() > best else num_failures + 1
                best = max(best, progress())
                if num_failures >= _MAX_TRIES or fault.retry_after_s > _MAX_RETRY_AFTER_S:
                    raise
                backoff_s = min(_MAX_BACKOFF_S, 2.0 ** (num_failures - 1))
                wait_s = max(backoff_s * random.uniform(0.5, 1.5), fault.retry_after_s)
                self._on_note(f"{fault.message}; trying again in {math.ceil(wait_s)} s")
                self._sleep(wait_s)

    def _waiter(self, file: HubFile) -> Callable[[], None]:
        notes = [f"another tierchat is fetching {file.target.name}; waiting for it"]

        def wait() -> None:
            if notes:
                self._on_note(notes.pop())
            total_bytes = file.size_bytes or 0
            if done := total_bytes - missing_bytes(file.target, total_bytes):
                self._on_progress(file, done, total_bytes)

        return wait

    def _missing_bytes(self, file: HubFile) -> int:
        there = FileStamp.of(file.target)
        if (there and there.size_bytes == file.size_bytes) or self._hub.cached(file):
            return 0
        return missing_bytes(file.target, file.size_bytes or 0)

    def _checker(self, file: HubFile) -> Callable[[int, int], None]:
        return lambda done, total: self._on_check(file, done, total)

    def _remember(self, file: HubFile) -> None:
        if file.sha256:
            self._verified.remember(file.target, file.sha256)

    def _refuse_offline(self, what: str) -> None:
        if self._is_offline:
            raise NetworkError(
                f"offline, and {what} is not here",
                f"without {self._offline_by} it would be downloaded",
            )

    def _is_sound(self, name: str) -> bool:
        try:
            validate_file_name(name)
        except UsageError as error:
            self._on_note(error.message)
            return False
        return True


def _check_beginning(body: Body, file: HubFile, part: PartFile) -> None:
    """Check, before a byte is written, that a body is of this file and begins where the part ends.

    A body that begins at 0 replaces the part. Raises ModelCorrupt or PassingFault.
    """
    if body.total_bytes not in (None, file.size_bytes):
        raise ModelCorrupt(
            f"the hub announces {body.total_bytes:,} bytes for {file.file}, "
            f"{file.size_bytes:,} were published",
            "a proxy or a login page may answer instead of the hub, or the file was replaced there",
        )
    if body.start != part.size_bytes:
        part.drop()
        if body.start != 0:
            raise PassingFault(f"the hub sent a part of {file.file} that was not asked for")


def _make_directory(target: Path) -> None:
    if not target.parent.is_dir():
        make_private(target.parent)


def _seldom(report: OnBytes) -> OnBytes:
    """Pass on about ten calls per second, and always the last call for a file."""
    last_s = 0.0

    def call(file: HubFile, done: int, total: int) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if done >= total or now_s - last_s >= _REPORT_EVERY_S:
            last_s = now_s
            report(file, done, total)

    return call
