"""What the routes may ask of the daemon that they belong to.

Does not know who asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tierchat.conversations.changes import LogChange
from tierchat.paths import Paths
from tierchat.service.messages import DaemonStatus
from tierchat.service.monitoring.metrics import Metrics
from tierchat.service.monitoring.running import RunningPrompts
from tierchat.service.network.serving import Serving
from tierchat.service.responses.remembered import Log


@dataclass(frozen=True)
class DaemonControls:
    """What requests may ask of the daemon itself; `paths` are those of its home."""

    status: Callable[[], DaemonStatus]
    stop: Callable[[], None]
    change_log: Callable[[LogChange], Awaitable[int]]
    log: Log
    paths: Paths
    serving: Serving
    metrics: Metrics
    running: RunningPrompts
