"""A thread that starts the daemon and watches it, so that a prompt is there at once.

Does not know what the status is shown for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from tierchat.errors import TierchatError
from tierchat.service.messages import DaemonStatus

# How often the status is read: more often while a model is loading.
_WATCH_S, _LOADING_S = 5.0, 0.3


class Watched(Protocol):
    """The part of the client that starts and watches the daemon."""

    def start(self) -> DaemonStatus: ...
    def status(self) -> DaemonStatus | None: ...


class DaemonWatch:
    """A thread that starts the daemon and watches it. `status` is the newest one seen."""

    def __init__(self, client: Watched) -> None:
        self._client = client
        self.status: DaemonStatus | None = None
        self._must_look = threading.Event()

    def look(self) -> None:
        """Let the status be read at once, because it may have changed; any thread may call this."""
        self._must_look.set()

    def begin(self, on_change: Callable[[], None]) -> None:
        """Start watching; `on_change` is called from the thread."""
        threading.Thread(target=self._run, args=(on_change,), daemon=True).start()

    def _run(self, on_change: Callable[[], None]) -> None:
        try:
            self._client.start()
        except TierchatError:
            # The first question reports the same error.
            return
        while True:
            try:
                found = self._client.status()
            except TierchatError:
                found = None
            is_news = _loaded(found) != _loaded(self.status)
            self.status = found
            if is_news:
                on_change()
            is_loading = found is not None and any(w.state == "loading" for w in found.workers)
            self._must_look.wait(_LOADING_S if is_loading or found is None else _WATCH_S)
            self._must_look.clear()


def _loaded(status: DaemonStatus | None) -> list[tuple[str, str, int | None]]:
    return [(w.model, w.state, w.context) for w in status.workers] if status else []
