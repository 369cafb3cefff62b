"""Downloads on a thread, told of as they come, so that a prompt can be asked meanwhile.

Does not know terminals, cascades or what is done with a model that has arrived.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from tierchat.config.home import Home
from tierchat.models.hub.downloads import Downloader, Fetched
from tierchat.models.hub.names import HubFile
from tierchat.models.hub.progress import ModelProgress
from tierchat.models.verified_files import VerifiedFiles
from tierchat.terminal.units import size_text


@dataclass(frozen=True)
class Moved:
    """So much of a file has arrived, or was checked."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Said:
    """A sentence of the downloads for people."""

    text: str


@dataclass(frozen=True)
class Arrived:
    """A model is here, whole and checked."""

    model: str
    how: str


@dataclass(frozen=True)
class Ended:
    """Nothing more comes; `error` is why, if not all is here."""

    error: Exception | None = None


Event = Moved | Said | Arrived | Ended


class _Stopped(Exception):
    """Unwinds the thread out of a download, which keeps what has arrived."""


class Fetching:
    """Fetches models in order, on one thread. `files` are the parts of each model."""

    def __init__(self, files: Mapping[str, Sequence[HubFile]], home: Home) -> None:
        self._files = files
        self._home = home
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._is_stopping = threading.Event()
        self._progress = ModelProgress(lambda *moved: self._tell(Moved(*moved)))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Check that the disk has room, and start; raises DoesNotFit."""
        self._downloader = Downloader(
            env=self._home.env,
            verified=VerifiedFiles(self._home.paths.verified_file),
            on_progress=self._progress,
            on_check=lambda file, done, total: self._tell(
                Moved(f"checking {file.target.name}", done, total)
            ),
            on_note=lambda text: self._tell(Said(text)),
            sleep=self._wait,
        )
        self._downloader.check_disk_space(file for parts in self._files.values() for file in parts)
        self._thread.start()

    def events(self) -> Iterator[list[Event]]:
        """Yield what has happened since the last look, at least one event; `Ended` is the last."""
        while True:
            events = [self._events.get()]
            try:
                while True:
                    events.append(self._events.get_nowait())
            except Empty:
                yield events
            if isinstance(events[-1], Ended):
                return

    def stop(self) -> None:
        """Let the download under way end soon; what has arrived is kept."""
        self._is_stopping.set()

    def _run(self) -> None:
        error: Exception | None = None
        try:
            for model, files in self._files.items():
                self._progress.expect(files)
                fetched = [self._downloader.fetch(file) for file in files]
                self._events.put(Arrived(model, said(as_one(fetched), files)))
        except _Stopped:
            pass
        except Exception as found:
            # The thread that waits for events raises it.
            error = found
        self._events.put(Ended(error))

    def _tell(self, event: Event) -> None:
        if self._is_stopping.is_set():
            raise _Stopped
        self._events.put(event)

    def _wait(self, seconds: float) -> None:
        if self._is_stopping.wait(seconds):
            raise _Stopped


def as_one(fetched: Sequence[Fetched]) -> Fetched:
    """Report how the parts of a model came here as if they were one file."""
    how = next((each.how for each in fetched if each.how == "downloaded"), fetched[-1].how)
    num_bytes = sum(each.num_bytes for each in fetched)
    return Fetched(how, num_bytes, sum(each.duration_s for each in fetched))


def said(fetched: Fetched, files: Sequence[HubFile]) -> str:
    """Say how a model came here."""
    parts = f"{len(files)} parts, " if len(files) > 1 else ""
    match fetched.how:
        case "downloaded":
            rate = fetched.num_bytes / max(fetched.duration_s, 1e-3)
            return f"{parts}{size_text(fetched.num_bytes)}, {size_text(rate)}/s, sha256 right"
        case "adopted":
            return f"{parts}taken from this machine, sha256 right"
        case "shared":
            return f"{parts}fetched by another pull"
    return f"is here ({parts}{size_text(sum(file.size_bytes or 0 for file in files))})"
