"""What the daemon says of itself and of its models, beside answers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tierchat.types import Frozen
from tierchat.workers.status import WorkerStatus


class Residence(Frozen, frozen=True):
    """What loading or unloading one model did, measured.

    `ram_bytes` is the resident size of its worker; what GPUs have free is added up over all.
    """

    model: str
    has_changed: bool
    ram_bytes: int = 0
    gpu_free_before: int = 0
    gpu_free_after: int = 0
    seconds: float = 0.0
    notice: str = ""


class ModelsChange(Frozen, frozen=True):
    """Asks that models be loaded or unloaded: a model, a tier of the default cascade, a cascade."""

    name: Annotated[str, msgspec.Meta(max_length=64)]


class DaemonStatus(Frozen, frozen=True):
    """What `daemon status` and `ps` show."""

    pid: int
    version: str
    uptime_s: float
    socket: str
    cascades: dict[str, tuple[str, ...]]
    workers: tuple[WorkerStatus, ...]
    rss_bytes: int | None = None
    num_active: int = 0
    num_waiting: int = 0
    is_stopping: bool = False
    default_cascade: str = ""
