"""The last crashes of one model's workers, and when they are too many.

Does not know processes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field

from tierchat.config.catalogue import ModelSpec
from tierchat.errors import EngineCrashed

_MAX_CRASHES = 3
_CRASH_WINDOW_S = 300.0
log = logging.getLogger(__name__)
# For the daemon's log: commands say what matters in their own words.
log.addHandler(logging.NullHandler())


@dataclass
class Crashes:
    """The last crashes of one model's workers."""

    _recent: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=_MAX_CRASHES))

    def __len__(self) -> int:
        return len(self._recent)

    def record(self, message: str) -> None:
        """Remember a crash and log it."""
        self._recent.append((time.monotonic(), message))
        log.warning("%s", message)

    @property
    def quarantine_reason(self) -> str:
        """Why the model may not be started now; empty if it may."""
        if len(self._recent) < _MAX_CRASHES:
            return ""
        if time.monotonic() - self._recent[0][0] > _CRASH_WINDOW_S:
            return ""
        return f"{_MAX_CRASHES} crashes within 5 minutes; the last: {self._recent[-1][1]}"


def refuse_quarantined(model: str, spec: ModelSpec, crashes: Crashes) -> None:
    """Raise EngineCrashed for a model whose workers have crashed too often."""
    if crashes.quarantine_reason:
        raise EngineCrashed(
            f"{model} is not started again for now: {crashes.quarantine_reason}",
            f"check {spec.file}, then `tierchat daemon down`",
        )
