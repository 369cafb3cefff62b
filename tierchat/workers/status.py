"""How a worker is doing, as `ps` shows it."""

from __future__ import annotations

from typing import Literal

from tierchat.types import Frozen

WorkerState = Literal["stopped", "loading", "ready", "busy", "quarantined"]


class WorkerStatus(Frozen, frozen=True):
    """One worker as `ps` shows it; with `expires_in_s` None it stays loaded for ever.

    `tiers` names tiers of the default cascade alone, tiers of others as `cascade:tier`.

    `rss_bytes` is resident memory of the child process; `reason` tells why it is quarantined.
    """

    model: str
    tiers: tuple[str, ...]
    state: WorkerState
    pid: int | None = None
    rss_bytes: int | None = None
    size_bytes: int | None = None
    context: int | None = None
    num_active: int = 0
    num_crashes: int = 0
    expires_in_s: float | None = None
    is_gpu_offloaded: bool = False
    reason: str = ""
    gpu_bytes: int | None = None
    planned_ram_bytes: int | None = None
    planned_gpu_bytes: int | None = None
    shared_with: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """All models that this worker holds: one file under one or several names."""
        return (self.model, *self.shared_with)
